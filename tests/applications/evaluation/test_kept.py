"""What does not depend on the model is not looked at twice, and nothing damaged is believed."""

import os

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation.kept import FOLDERS, NOWHERE, Kept
from pipeline.applications.evaluation.look import Look
from pipeline.judges.verdict import Verdict
from pipeline.metrics.intervals import Estimate


def looks(inception=False):
    said = Verdict(np.float32([[1, 2], [3, 4]]), {"yaw": np.float32([5, np.nan])}, np.array([True, False]))
    known = {"truth/psnr": np.float32([20.5, 100])}
    images = np.arange(2 * 4 * 4 * 3, dtype=np.uint8).reshape(2, 4, 4, 3)
    return {
        "truth": Look(said, known, images, torch.tensor([[6.0], [7.0]]) if inception else None),
        "copy_sample": Look(said._replace(attributes={}), {}),
    }


class Looked:
    def __init__(self, seen):
        self.seen, self.times = seen, 0

    def __call__(self):
        self.times += 1
        return self.seen


@pytest.mark.parametrize("inception", [False, True])
def test_the_second_time_it_is_remembered_to_the_bit(tmp_path, inception):
    looked = Looked(looks(inception))
    assert not Kept(tmp_path / "a").has_looks("real-0")
    first, second = (Kept(tmp_path / "a").looks("real-0", looked) for _ in range(2))
    assert looked.times == 1
    assert Kept(tmp_path / "a").has_looks("real-0")
    assert first.keys() == second.keys()
    for ours, theirs in zip(first.values(), second.values(), strict=True):
        assert ours.said.attributes.keys() == theirs.said.attributes.keys()
        assert ours.truth.keys() == theirs.truth.keys()
        pairs = [*zip(ours.said.attributes.values(), theirs.said.attributes.values(), strict=True)]
        pairs += zip(ours.truth.values(), theirs.truth.values(), strict=True)
        pairs += [(ours.said.features, theirs.said.features), (ours.said.found, theirs.said.found)]
        for a, b in [*pairs, (ours.images, theirs.images)]:
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    assert (second["truth"].inception is None) == (not inception)
    if inception:
        assert torch.equal(first["truth"].inception, second["truth"].inception)


def test_estimates_are_remembered_to_the_bit(tmp_path):
    found = {"identity/top1": Estimate(1 / 3, 0.1, float("inf"), 7), "truth/psnr": Estimate(19.5, 19.5, 19.5, 7)}
    measured = Looked(found)
    assert [Kept(tmp_path / "a").estimates("truth-0", measured) for _ in range(2)] == [found, found]
    assert measured.times == 1
    (tmp_path / "a/truth-0.json").write_text('{"identity/top1": 3}')
    assert Kept(tmp_path / "a").estimates("truth-0", measured) == found
    assert measured.times == 2


def test_without_a_folder_nothing_is_remembered():
    looked, measured = Looked(looks()), Looked({})
    for _ in range(2):
        assert NOWHERE.looks("real-0", looked) is looked.seen
        assert NOWHERE.estimates("truth-0", measured) is measured.seen
    assert looked.times == measured.times == 2
    assert not NOWHERE.has_looks("real-0")
    NOWHERE.tidy()


def test_other_names_and_other_folders_are_looked_at(tmp_path):
    looked = Looked(looks())
    Kept(tmp_path / "a").looks("real-0", looked)
    Kept(tmp_path / "a").looks("real-1", looked)
    Kept(tmp_path / "b").looks("real-0", looked)
    assert looked.times == 3


@pytest.mark.parametrize("damage", [b"", b"hello", "half", "pickle"])
def test_a_damaged_file_is_looked_at_again_and_replaced(tmp_path, damage):
    looked, file = Looked(looks()), tmp_path / "a/real-0.npz"
    Kept(tmp_path / "a").looks("real-0", looked)
    if damage == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "pickle":
        np.savez(file, features=np.array([object()]), found=np.ones(1, bool))  # must not run what it holds
    else:
        file.write_bytes(damage)
    Kept(tmp_path / "a").looks("real-0", looked)
    assert looked.times == 2
    Kept(tmp_path / "a").looks("real-0", looked)
    assert looked.times == 2


def test_where_nothing_can_be_written_it_looks_each_time(tmp_path):
    (tmp_path / "a").write_text("a file, not a folder")
    looked = Looked(looks())
    for _ in range(2):
        assert Kept(tmp_path / "a").looks("real-0", looked) is looked.seen
    assert looked.times == 2


def test_the_folders_that_were_used_last_stay(tmp_path):
    Kept(tmp_path / "none").tidy()
    for number in range(FOLDERS + 2):
        kept = Kept(tmp_path / str(number))
        kept.looks("real-0", Looked(looks()))
        os.utime(kept.folder, (number, number))
    Kept(tmp_path / "0").tidy()  # used again
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["0", *map(str, range(3, FOLDERS + 2))]
