"""`detect-adversarial`: honest photographs are called so as often as promised, and one that fools I is not."""

import json

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications.detecting import Calibration, as_text, calibrated, detect, suspicion, suspicious
from pipeline.applications.evaluation import attacks
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.face_model import FaceModel
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.pairs import to_tensor
from pipeline.errors import UserError
from tests.applications.projects import prepare_images
from tests.applications.test_recombine import save_model

GREY, TRICK = 100, 160  # levels of all honest pixels, and of the one by which the toy is fooled


class Gullible:
    """Takes a photograph for the person of its first pixel, and draws that person everywhere."""

    def identity(self, x):
        return x[:, :1, 0, 0]

    def attributes(self, x):
        return x[:, :1, 0, 0]

    def synthesize(self, f_I, z):
        return f_I[:, :, None, None].expand(-1, 3, 4, 4)


def photographs(count, first=GREY):
    images = np.full((count, 4, 4, 3), GREY, np.uint8)
    images[:, 0, 0] = first
    return images


def test_who_is_drawn_as_seen_is_not_suspicious_and_one_pixel_that_fools_the_model_shows_everywhere():
    assert suspicion(Gullible(), photographs(70)) == pytest.approx(0, abs=1e-7)
    expected = (TRICK - GREY) / 127.5 * 15 / 16
    assert suspicion(Gullible(), photographs(1, TRICK)) == pytest.approx(expected, rel=1e-5)


def test_the_score_is_the_one_that_is_evaluated(tmp_path):
    save_model(tmp_path)
    images = np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    _, expected = attacks._drawn(Maker(FaceModel(tmp_path / paths.MODEL)), to_tensor(images))
    got = suspicion(FaceSynthesizer(tmp_path / paths.MODEL), images)
    assert torch.allclose(torch.from_numpy(got), expected, atol=1e-6)


@pytest.mark.parametrize("rate", [0.05, 0.1, 0.5])
def test_as_many_honest_photographs_are_suspected_as_was_allowed(rate):
    honest = np.random.default_rng(0).permutation(np.linspace(0, 1, 200))
    calibration = calibrated(honest, rate, "here")
    assert suspicious(honest, calibration).mean() == pytest.approx(rate)
    assert suspicious(np.array([2.0]), calibration).all()


def test_equal_scores_raise_no_alarm():
    honest = np.full(40, 0.25)
    assert not suspicious(honest, calibrated(honest, 0.05, "here")).any()


def test_too_few_honest_photographs_are_said_to_be_too_few():
    with pytest.raises(UserError, match=r"here: 19 honest photographs are too few .* takes 20: let --honest"):
        calibrated(np.zeros(19), 0.05, "here")


def test_the_table_says_what_was_decided_and_by_what():
    found = {
        "calibration": Calibration(0.2, 0.05, 128, "the val split")._asdict(),
        "photographs": [
            {"photograph": "a.jpg", "score": 0.1, "suspicious": False},
            {"photograph": "b.jpg", "score": 0.3, "suspicious": True},
        ],
    }
    text = as_text(found).splitlines()
    assert text[1].split() == ["0.1000", "honest", "a.jpg"]
    assert text[2].split() == ["0.3000", "suspicious", "b.jpg"]
    assert "at most 5 % of 128 honest photographs" in text[3]


@pytest.mark.parametrize("rate", [0.0, 1.0, -1.0, float("nan")])
def test_a_rate_that_is_none_is_refused(rate):
    with pytest.raises(UserError, match="--false-alarms should be above 0 and below 1"):
        detect([], rate, None)


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_are_scored_and_the_threshold_is_named(tmp_path, shared, monkeypatch, capsys, caplog):
    save_model(tmp_path, source="rendered")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    face = next((shared / "faces" / "london").glob("*/neutral.jpg"))
    asked = parser().parse_args(["detect-adversarial", str(face), "--json", "--false-alarms", "0.2"])
    with pytest.raises(UserError, match="data/faces is not there: name a folder of honest photographs with --honest"):
        asked.run(asked)
    prepare_images(tmp_path, np.random.default_rng(0).integers(0, 256, (9, 32, 32, 3), np.uint8), split=["val"] * 9)
    asked.run(asked)
    found = json.loads(capsys.readouterr().out)
    assert found["calibration"]["honest"] == 9
    (row,) = found["photographs"]
    assert row["photograph"] == str(face)
    assert row["suspicious"] == (row["score"] >= found["calibration"]["threshold"])
    assert "the threshold is of rendered heads; for photographs name honest ones with --honest" in caplog.text
