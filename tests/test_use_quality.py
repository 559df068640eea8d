"""Figures of use whose answer is known: of perfect systems, of known tremble, and of films that were drawn for it."""

import json
import math
import sys

import numpy as np
import pytest

from pipeline import paths
from pipeline.datasets import heads
from pipeline.datasets.photographs.detection import Detection
from pipeline.datasets.shards import Faces, ShardWriter
from tests.applications.test_recombine import save_model
from tools import use_quality as quality

SIDE = 32


def prepared(folder, people=3, photographs=2):
    """Rendered heads of people of the test split."""
    rng = np.random.default_rng(0)
    with ShardWriter(folder, "faces") as writer:
        for person in range(people):
            who = heads.sample_identity(rng)
            for number in range(photographs):
                image = heads.render(who, heads.sample_attributes(rng), SIDE).image
                writer.add(f"{person}/{number}", image, {"split": "test", "identity": f"p{person}"})
        writer.close()
    return Faces(folder)


class Copies:
    """Gives back the subject's photograph, or the sample's."""

    def __init__(self, which):
        self.which = which

    def identity(self, images):
        return images.reshape(len(images), -1)

    attributes = identity

    def synthesize(self, f_I, z):
        return (f_I if self.which == "subject" else z).reshape(-1, SIDE, SIDE, 3)


def test_a_round_trip_without_loss_has_the_highest_psnr_and_a_wrong_answer_less(tmp_path):
    faces = prepared(tmp_path / "faces")
    of_sample = quality.round_trips(Copies("sample"), faces)
    assert of_sample["own"].value == of_sample["another"].value == 100
    of_subject = quality.round_trips(Copies("subject"), faces)
    assert of_subject["own"].value == 100
    assert of_subject["another"].value < 30
    assert of_subject["mean_face"].value == of_sample["mean_face"].value < 30
    assert of_subject["own"].n == 6


def test_another_photograph_is_of_the_same_person():
    person = np.array([7, 3, 7, 3, 7, 9])
    assert quality.following(person).tolist() == [2, 3, 4, 1, 0, 5]


def seeing(landmarks):
    """A detector that sees these in a frame whose first value is its number; None is no face."""

    def detect(frame):
        seen = landmarks[int(frame[0])]
        return [] if seen is None else [Detection(np.zeros(4), seen, 1.0)]

    return detect


def test_landmarks_tremble_only_where_they_leave_their_way():
    known = np.cumsum(np.random.default_rng(0).normal(size=(8, 5, 2)), axis=0) + 10 * np.arange(10).reshape(5, 2)
    eyes = np.median(np.linalg.norm(known[:, 0] - known[:, 1], axis=1))
    frames = np.arange(8)[:, None]
    assert quality.jitter(frames, known, seeing(known)) == (0, 1)
    assert quality.jitter(frames, known, seeing(known + 3))[0] == pytest.approx(0, abs=1e-9)  # a constant error is calm
    shaken = known + np.array([1, 0]) * (-1.0) ** np.arange(8)[:, None, None]  # 1 − 2 · −1 + 1
    assert quality.jitter(frames, known, seeing(shaken))[0] == pytest.approx(100 * 4 / eyes)


def test_frames_without_a_face_are_counted_and_not_guessed():
    known = np.arange(8.0)[:, None, None] + 10 * np.arange(10.0).reshape(5, 2)
    frames = np.arange(8)[:, None]
    partly = [None if i == 3 else at for i, at in enumerate(known)]
    assert quality.jitter(frames, known, seeing(partly)) == (0, 7 / 8)
    never = quality.jitter(frames, known, seeing([None] * 8))
    assert math.isnan(never[0])
    assert never[1] == 0
    assert quality.estimate([math.nan, math.nan]) is None
    assert quality.estimate([1.0, math.nan, 3.0]).value == 2


def test_a_performance_is_of_one_person_whose_landmarks_are_where_they_are_said_to_be():
    rng = np.random.default_rng(1)
    person, circumstances = heads.sample_identity(rng), heads.sample_attributes(rng)
    shown = quality.film(person, circumstances, 4)
    assert shown.frames.shape == (4, *quality.SCENE[::-1], 3)
    assert (np.abs(np.diff(shown.landmarks, axis=0)).max(axis=(1, 2)) > 0.5).all()
    cut = quality.Cut(image_size=SIDE, margin=0.0, choose="largest")
    seen = quality.align(shown.frames[0], shown.landmarks[0], SIDE, 0.0)[0]
    circumstances[[d.name for d in heads.ATTRIBUTES].index("yaw")] = 0
    circumstances[[d.name for d in heads.ATTRIBUTES].index("mouth_open")] = 0
    alike = quality.portrait(person, circumstances, cut)
    assert np.abs(seen.astype(int) - alike).mean() < 4


def test_likeness_is_the_cosine_to_the_person():
    rng = np.random.default_rng(2)
    person = heads.sample_identity(rng)
    shown = quality.film(person, heads.sample_attributes(rng), 3)
    cut = quality.Cut(image_size=SIDE, margin=0.0, choose="largest")
    same = quality.cosines(shown, person, cut, lambda x: np.tile(np.float32([3, 4]), (len(x), 1)))
    assert np.allclose(same, 1)
    numbers = iter((3, quality.LIKENESSES))
    ways = {3: [2, 0], quality.LIKENESSES: [0, 5]}
    assert np.allclose(quality.cosines(shown, person, cut, lambda x: np.float32([ways[next(numbers)]] * len(x))), 0)


@pytest.mark.shared
@pytest.mark.slow
def test_it_prints_tables_and_writes_json_of_an_untrained_model(tmp_path, shared, monkeypatch, capsys):
    save_model(tmp_path)
    prepared(tmp_path / paths.FACES)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    monkeypatch.setattr(sys, "argv", ["use_quality", "--people", "1", "--frames", "5", "--json", "out.json"])
    assert quality.main() == 0
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["recogniser"] == "I"
    assert 5 < said["round_trip_psnr"]["own"]["value"] < 40
    assert said["act"]["acted_seen"]["value"] == said["act"]["true_seen"]["value"] == 1
    assert said["act"]["acted_jitter"]["value"] > 0
    told = capsys.readouterr()
    assert "| `own` |" in told.out
    assert "| `made_cosine_deviation` |" in told.out
    assert "the model's own I" in told.err


def test_without_a_model_it_says_so_in_one_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["use_quality"])
    with pytest.raises(SystemExit, match=r"models/train.*dvc repro train"):
        quality.main()
