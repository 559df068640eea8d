"""What was seen in photographs is not looked at twice, and nothing damaged is believed."""

import os

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation.kept import FOLDERS, Kept
from pipeline.applications.evaluation.material import Look
from pipeline.judges.verdict import Verdict


def look(inception=False):
    said = Verdict(np.float32([[1, 2], [3, 4]]), {"yaw": np.float32([5, np.nan])}, np.array([True, False]))
    return Look(said, {}, inception=torch.tensor([[6.0], [7.0]]) if inception else None)


class Looked:
    def __init__(self, seen):
        self.seen, self.times = seen, 0

    def __call__(self):
        self.times += 1
        return self.seen


@pytest.mark.parametrize("inception", [False, True])
def test_the_second_time_it_is_remembered_to_the_bit(tmp_path, inception):
    looked = Looked(look(inception))
    first, second = (Kept(tmp_path / "a")("real-0", looked) for _ in range(2))
    assert looked.times == 1
    np.testing.assert_array_equal(first.said.features, second.said.features)
    np.testing.assert_array_equal(first.said.attributes["yaw"], second.said.attributes["yaw"])
    np.testing.assert_array_equal(first.said.found, second.said.found)
    assert second.said.features.dtype == np.float32
    assert second.said.found.dtype == bool
    assert (second.inception is None) == (not inception)
    if inception:
        assert torch.equal(first.inception, second.inception)


def test_other_names_and_other_folders_are_looked_at(tmp_path):
    looked = Looked(look())
    Kept(tmp_path / "a")("real-0", looked)
    Kept(tmp_path / "a")("real-1", looked)
    Kept(tmp_path / "b")("real-0", looked)
    assert looked.times == 3


@pytest.mark.parametrize("damage", [b"", b"hello", "half", "pickle"])
def test_a_damaged_file_is_looked_at_again_and_replaced(tmp_path, damage):
    looked, file = Looked(look()), tmp_path / "a/real-0.npz"
    Kept(tmp_path / "a")("real-0", looked)
    if damage == "half":
        file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    elif damage == "pickle":
        np.savez(file, features=np.array([object()]), found=np.ones(1, bool))  # must not run what it holds
    else:
        file.write_bytes(damage)
    Kept(tmp_path / "a")("real-0", looked)
    assert looked.times == 2
    Kept(tmp_path / "a")("real-0", looked)
    assert looked.times == 2


def test_where_nothing_can_be_written_it_looks_each_time(tmp_path):
    (tmp_path / "a").write_text("a file, not a folder")
    looked = Looked(look())
    for _ in range(2):
        assert Kept(tmp_path / "a")("real-0", looked) is looked.seen
    assert looked.times == 2


def test_the_folders_that_were_used_last_stay(tmp_path):
    Kept(tmp_path / "none").tidy()
    for number in range(FOLDERS + 2):
        kept = Kept(tmp_path / str(number))
        kept("real-0", Looked(look()))
        os.utime(kept.folder, (number, number))
    Kept(tmp_path / "0").tidy()  # used again
    assert sorted(folder.name for folder in tmp_path.iterdir()) == ["0", *map(str, range(3, FOLDERS + 2))]
