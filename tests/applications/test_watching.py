"""What a person is told of a training: by networks that give back the subject, or the sample, it has to show which."""

import cv2
import numpy as np
import pytest
import torch
from torch import nn

from pipeline import tracking
from pipeline.applications.watching import Watch
from pipeline.datasets.faces import Head
from pipeline.datasets.shards import Faces, ShardError, ShardWriter
from pipeline.datasets.sources.rendered import portray
from pipeline.datasets.true_answers import true_recombinations
from pipeline.metrics.truth import psnr
from pipeline.tracking import Run

SIZE = 32


class Pixels(nn.Module):
    """Says of an image the image itself; as recogniser, the mean colour in each corner of it."""

    def __init__(self, coarse=False):
        super().__init__()
        self.coarse, self.weight = coarse, nn.Parameter(torch.ones(()))

    def forward(self, x):
        if not self.coarse:
            return x.flatten(1) * self.weight, None
        return nn.functional.adaptive_avg_pool2d(x, 2).flatten(1) * self.weight, None


class Gives(nn.Module):
    """A generator that gives the subject back, or the sample."""

    def __init__(self, subject):
        super().__init__()
        self.subject, self.weight = subject, nn.Parameter(torch.ones(()))

    def forward(self, f_I, z):
        return (f_I if self.subject else z).unflatten(1, (3, SIZE, SIZE)) * self.weight


def networks(subject):
    return {"identity": Pixels(), "attributes": Pixels(), "generator": Gives(subject)}


def painted(folder, people=5):
    """Photographs: each person has colours, each picture of them noise."""
    chance = np.random.default_rng(0)
    with ShardWriter(folder, "faces") as writer:
        for n in range(people * 4):
            colours = np.random.default_rng(100 + n // 4).integers(0, 256, (2, 2, 3))
            image = np.kron(colours, np.ones((SIZE // 2, SIZE // 2, 1))) + chance.normal(0, 20, (SIZE, SIZE, 3))
            writer.add(f"{n}", image.clip(0, 255).astype(np.uint8), {"identity": f"p{n // 4}", "split": "val"})
        writer.close()
    return Faces(folder)


def watch(faces, folder, track=None):
    return Watch(faces, Pixels(coarse=True), folder / "grids", track or Run(None))


def test_it_tells_a_swap_from_none(tmp_path):
    w = watch(painted(tmp_path / "faces"), tmp_path)
    swapped, kept = (w.check(networks(subject), 8) for subject in (True, False))
    assert swapped["val/own_subject"] > 0.95 > 0.6 > swapped["val/own_sample"]
    assert kept["val/own_sample"] > 0.95 > 0.6 > kept["val/own_subject"]
    for values in (swapped, kept):
        assert set(values) == {"val/own_subject", "val/own_sample", "val/own_unrelated"}
        assert abs(values["val/own_unrelated"]) < 0.6


def test_the_picture_is_the_grid_under_the_number_of_images(tmp_path):
    faces = painted(tmp_path / "faces")
    w = watch(faces, tmp_path)
    w.check(networks(subject=True), 1234)
    (file,) = (tmp_path / "grids").iterdir()
    assert file.name == "000001234.png"
    sheet = cv2.imread(str(file))[..., ::-1]
    assert sheet.shape == (6 * (SIZE + 2) - 2, 6 * (SIZE + 2) - 2, 3)  # five people either way, and the frame
    subject = sheet[SIZE + 2 :, :SIZE][:SIZE]
    assert np.array_equal(subject, faces.image(w.grid_rows[0][0]))
    assert np.array_equal(sheet[SIZE + 2 : 2 * SIZE + 2, SIZE + 2 : 2 * SIZE + 2], subject)


def test_no_input_is_a_photograph_that_it_is_compared_with(tmp_path):
    w = watch(painted(tmp_path / "faces"), tmp_path)
    inputs = {row for pair in w.pairs for row in (pair.subject_row, pair.sample_row)}
    assert not inputs & set(np.concatenate(w.people.gallery).tolist())
    assert all(pair.subject != pair.sample for pair in w.pairs)


def test_it_draws_no_random_number_and_says_the_same_again(tmp_path):
    w = watch(painted(tmp_path / "faces"), tmp_path)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    assert w.check(networks(True), 8) == w.check(networks(True), 8)
    assert torch.equal(torch.get_rng_state(), states[0])
    assert np.array_equal(np.random.get_state()[1], states[1])


def test_of_rendered_heads_it_knows_the_distance_to_the_truth(tmp_path):
    with ShardWriter(tmp_path / "faces", "faces") as writer:
        for n in range(12):
            image, _, *vectors = portray(Head("", f"p{n // 4}", "val", 0, n // 4, n % 4), SIZE)
            known = dict(zip(("identity_vector", "attribute_vector"), (v.tolist() for v in vectors), strict=True))
            writer.add(f"{n}", image, {"identity": f"p{n // 4}", "split": "val", **known})
        writer.close()
    faces = Faces(tmp_path / "faces")
    w = watch(faces, tmp_path)
    values = w.check(networks(subject=False), 8)
    rows = [np.array([getattr(pair, name) for pair in w.pairs]) for name in ("subject_row", "sample_row")]
    true, given = true_recombinations(faces, *rows), faces.images(rows[1])
    expected = psnr(*(torch.from_numpy(x).permute(0, 3, 1, 2) for x in (given, true))).mean()
    assert values["val/psnr"] == pytest.approx(float(expected), abs=1e-3)
    assert 5 < values["val/psnr"] < 40


@pytest.mark.slow
def test_in_wandb_a_picture_goes_with_the_values_of_its_look_and_with_no_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with tracking.run("train") as track:
        w = watch(painted(tmp_path / "faces"), tmp_path, track)
        w.record({"train/L_KL": 2.0}, 4)
        w.record(w.check(networks(True), 8), 8)
        w.record({"train/L_KL": 1.0}, 8)
    assert set(track.history[8]) == {"val/own_subject", "val/own_sample", "val/own_unrelated", "train/L_KL"}
    (picture,) = tmp_path.glob("wandb/offline-run-*/files/media/images/val/grid_*.png")
    assert picture.read_bytes() == (tmp_path / "grids" / "000000008.png").read_bytes()


def test_two_people_are_too_few_to_tell(tmp_path):
    with pytest.raises(ShardError, match="The split 'val' has 2 people with two photographs and needs three"):
        watch(painted(tmp_path / "faces", people=2), tmp_path)
