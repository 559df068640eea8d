"""What synthesized faces bring a recogniser, as the tool finds out."""

import json
import sys

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.applications.augmenting import Made
from pipeline.datasets.shards import Faces
from tests.applications.projects import prepare_heads
from tests.applications.test_recombine import save_model
from tests.datasets.building.projects import project
from tools import augment_quality as quality


def blank(identity):
    return Made(np.full((32, 32, 3), 100, np.uint8), identity, "somebody")


def test_photographs_come_with_the_first_so_many_of_what_was_made_of_everybody(tmp_path):
    faces = quality.photographed(tmp_path / "new", 2, 3, 32)
    made = [blank(f"new/{person:05d}") for person in (0, 0, 0, 1, 1, 1)]
    both = quality.together(tmp_path / "both", faces, quality.fewer(made, 2))
    names, counts = np.unique(both.column("identity"), return_counts=True)
    assert names.tolist() == ["new/00000", "new/00001"]
    assert counts.tolist() == [5, 5]
    assert (both.images(range(6)) == faces.images(range(6))).all()
    assert (both.image(6) == 100).all()


def test_people_who_look_different_are_told_apart_and_alike_ones_are_not(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    prepare_heads(tmp_path, {"test": 6}, each=10)
    faces = Faces(paths.FACES)
    numbers = {faces.image(row).tobytes(): code for row, code in enumerate(faces.coded("identity")[0])}

    class Knows(torch.nn.Module):
        def forward(self, x):
            images = ((x + 1) * 127.5).round().byte().permute(0, 2, 3, 1).numpy()
            return torch.eye(6)[[int(numbers[image.tobytes()]) for image in images]], None

    class Blind(torch.nn.Module):
        def forward(self, x):
            return torch.ones(len(x), 6), None

    assert quality.told_apart(Knows(), faces) == {"top1": 1, "tar_at_far_1e-2": 1, "eer": 0, "auc": 1}
    blind = quality.told_apart(Blind(), faces)
    assert (blind["top1"], blind["tar_at_far_1e-2"]) == (0, 0)
    assert blind["auc"] == pytest.approx(0.5)


@pytest.mark.slow
def test_the_whole_comparison_prints_a_table_and_leaves_every_run(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    save_model(tmp_path)
    prepare_heads(tmp_path, {"test": 6}, each=10)
    argv = [
        "augment_quality",
        "--people",
        "3",
        "--images",
        "2",
        "--each",
        "1",
        "2",
        "--seen",
        "64",
        "--seeds",
        "1",
        "--json",
        "out.json",
    ]
    monkeypatch.setattr(sys, "argv", argv)
    assert quality.main() == 0
    said = json.loads((tmp_path / "out.json").read_text())
    assert [len(runs) for runs in said["runs"].values()] == [1, 1, 1]
    printed = capsys.readouterr().out
    for name, (run,) in said["runs"].items():
        assert f"| {name} | {run['top1']:.3f} ± 0.000 |" in printed
        assert set(run) == set(quality.KEYS)


def test_a_test_split_that_is_too_small_is_said_before_anything_is_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    save_model(tmp_path)
    prepare_heads(tmp_path, {"test": 3}, each=3)
    monkeypatch.setattr(sys, "argv", ["augment_quality"])
    with pytest.raises(SystemExit, match="12 comparisons of two people are too few"):
        quality.main()


def test_a_folder_that_is_not_there_is_said_in_a_sentence(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    project(tmp_path)
    save_model(tmp_path)
    monkeypatch.setattr(sys, "argv", ["augment_quality"])
    with pytest.raises(SystemExit, match="data/faces"):
        quality.main()
