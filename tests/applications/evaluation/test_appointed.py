"""Whose word counts, and what is said of a judge that took part in training the generator."""

import numpy as np
import pytest

from pipeline import paths
from pipeline.applications.evaluation.appointed import appointed, named
from pipeline.applications.evaluation.folder import evaluate_folder
from pipeline.applications.judging import Court, of_photographs
from pipeline.errors import UserError
from pipeline.judges.verdict import Verdict
from pipeline.params import load_params
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml")
PHOTOS = PARAMS.data.model_copy(update={"source": ("photos",)})


def asked(recogniser, **changes):
    return PARAMS.evaluate.model_copy(update={"recogniser": str(recogniser), **changes})


def judge(images):
    found = images.any((1, 2, 3))
    return Verdict(np.ones((len(images), 3), np.float32), {"yaw": np.arange(len(images), dtype=np.float32)}, found)


class Network:
    """An I that sees the mean."""

    def identity(self, images):
        return images.mean((1, 2)).astype(np.float32)


COURT = Court(judge, {})


def test_the_judge_of_the_stage_judges_unless_another_is_named():
    assert appointed(COURT, asked("judge"), PARAMS.data, Network()) is COURT
    assert PARAMS.evaluate.recogniser == "judge"


def test_by_name_the_generators_own_says_who_it_is_and_the_keys_say_so():
    court = appointed(COURT, asked("I"), PARAMS.data, Network())
    images = np.stack([np.full((4, 4, 3), value, np.uint8) for value in (0, 7)])
    said = court.judge(images)
    np.testing.assert_array_equal(said.features, [[0, 0, 0], [7, 7, 7]])
    assert said.found.tolist() == [False, True]
    assert said.attributes["yaw"].tolist() == [0, 1]
    kept = ("attributes/yaw_error", "truth/psnr", "realism/fid", "realism/images", "applications/performance_flicker")
    by_it = (
        "identity/top1",
        "identity/top1_real",
        "truth/feature_distance_eyes",
        "realism/fd_judge",
        "closed_set/top1",
    )
    values = dict.fromkeys(kept + by_it, 1.0)
    assert set(named(values, court)) == {*kept, *(f"{key}_by_I" for key in by_it)}
    assert named(values, COURT) == values


def test_what_has_no_recogniser_of_its_own_cannot_be_judged_by_it():
    with pytest.raises(UserError, match="CVAE-GAN has no I; set it to judge"):
        appointed(COURT, asked("I"), PARAMS.data, None)


def test_a_network_of_photographs_does_not_judge_rendered_heads(tmp_path):
    with pytest.raises(UserError, match=r"mine.onnx is a network of photographs, and data.source is rendered"):
        appointed(COURT, asked(tmp_path / "mine.onnx"), PARAMS.data, Network())


@pytest.mark.parametrize("folder", [paths.RECOGNISER, paths.MODEL])
def test_a_network_that_took_part_is_refused(folder, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder.mkdir(parents=True)
    (folder / "I.onnx").touch()
    (tmp_path / "innocent.onnx").symlink_to(folder.resolve() / "I.onnx")
    for file in (folder / "I.onnx", tmp_path / "innocent.onnx"):
        with pytest.raises(UserError, match=r"took part in training the generator.*evaluate.recogniser to I"):
            appointed(COURT, asked(file), PHOTOS, Network())
        with pytest.raises(UserError, match=r"took part in training the generator"):
            of_photographs(0.6, file)


def test_the_i_of_an_exported_model_is_refused(tmp_path):
    exported = tmp_path / "exported"
    exported.mkdir()
    for name in ("model.json", "identity.onnx"):
        (exported / name).touch()
    (tmp_path / "innocent.onnx").symlink_to(exported / "identity.onnx")
    for file in (exported / "identity.onnx", tmp_path / "innocent.onnx"):
        with pytest.raises(UserError, match=r"part of an exported generator.*evaluate.recogniser to I"):
            appointed(COURT, asked(file), PHOTOS, Network())
        with pytest.raises(UserError, match=r"part of an exported generator"):
            evaluate_folder(tmp_path / "none.csv", tmp_path / "out", file)


def test_a_file_that_is_not_there_is_missed_before_anything_is_trained(tmp_path):
    with pytest.raises(UserError, match=r"none.onnx is not there; name an ONNX file, or set it to judge"):
        appointed(COURT, asked(tmp_path / "none.onnx"), PHOTOS, Network())
