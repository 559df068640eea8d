"""The file of a checkpoint: taken up where it is whole and of this fit; else the fit says why it starts afresh."""

import os

import pytest
import torch

from pipeline.errors import UserError
from pipeline.training.resume import FILE
from tests.training.test_fit import STEPS, Steps, fit


@pytest.fixture
def begun(tmp_path):
    """A work folder with the checkpoint of a fit that was interrupted."""
    folder = tmp_path / "train" / "f1f1"
    folder.mkdir(parents=True)
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(folder, Steps(stop_before=5))
    return folder


def steps_of(folder):
    steps = Steps()
    fit(folder, steps)
    return steps.seen


def test_a_file_that_would_run_code_runs_none(begun, caplog):
    class Evil:
        def __reduce__(self):
            return os.mkdir, (str(begun / "owned"),)

    torch.save({"batches_done": 4, "module": Evil()}, begun / FILE)
    assert steps_of(begun) == list(range(STEPS))
    assert not (begun / "owned").exists()
    assert f"{begun / FILE} cannot be read, so the fit starts afresh" in caplog.text


@pytest.mark.parametrize("length", [0, 100, -1000])
def test_half_a_file_is_not_taken_up(begun, length, caplog):
    whole = (begun / FILE).read_bytes()
    (begun / FILE).write_bytes(whole[:length])
    assert steps_of(begun) == list(range(STEPS))
    assert "cannot be read, so the fit starts afresh" in caplog.text


def test_a_file_with_a_flipped_bit_is_not_taken_up(begun, caplog):
    content = bytearray((begun / FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (begun / FILE).write_bytes(content)
    assert steps_of(begun) == list(range(STEPS))
    assert "cannot be read, so the fit starts afresh" in caplog.text


def test_a_file_of_another_work_folder_is_not_taken_up(begun, caplog):
    other = begun.rename(begun.parent / "f2f2")
    assert steps_of(other) == list(range(STEPS))
    assert "is of other params, data or code, so the fit starts afresh" in caplog.text


def test_a_fit_that_was_done_is_not_done_again(begun):
    assert steps_of(begun)[0] in (2, 4)
    module, points, job = fit(begun, Steps())
    again, points_again, job_again = fit(begun, steps := Steps())
    assert steps.seen == []
    assert points_again == points
    assert job_again.last == job.last
    assert all(torch.equal(value, again.state_dict()[key]) for key, value in module.state_dict().items())


def test_memory_that_is_short_names_what_to_lower(begun):
    class Greedy(Steps):
        def __getitem__(self, step):
            return torch.empty(2**60, dtype=torch.uint8)

    with pytest.raises(UserError, match=r"^train: out of memory: lower train\.batch_size \(now 4\) in params\.yaml"):
        fit(begun, Greedy())
