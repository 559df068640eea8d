"""`python -m pipeline train`, killed with SIGKILL and started again until it is done, ends as if it had not been."""

import random
import signal
import time

import pytest
import torch

from tests.training import projects
from tests.training.projects import Command, checkpoint, content, wait_for


@pytest.fixture(scope="module", params=["32-true", "bf16-mixed"])
def undisturbed(ready, request, tmp_path_factory):
    """A project that ran through, the state at its last step, and its precision."""
    folder = projects.copy(ready, tmp_path_factory.mktemp("whole") / "p", {"train": {"precision": request.param}})
    return folder, last_state(folder), request.param


def last_state(folder):
    """Let `train` run to its end, but for the writing of its results: the last checkpoint is kept then."""
    obstacle = folder / "results/train"
    obstacle.touch()
    command = Command(folder)
    assert command.end() == 1, command.said
    assert checkpoint(folder), command.said
    state = torch.load(checkpoint(folder), weights_only=True)
    obstacle.unlink()
    command = Command(folder)
    assert command.end() == 0, command.said
    assert checkpoint(folder) is None
    return state


def same(a, b):
    """Bit for bit, whatever it is made of."""
    if isinstance(a, torch.Tensor):
        bits = (x.flatten().view(torch.uint8) for x in (a, b))
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def killed(folder, times, rng):
    """Kill the command so many times, each time at a moment by chance behind another checkpoint."""
    for _ in range(times):
        command, before = Command(folder), written(folder)
        wait_for(lambda before=before, c=command: written(folder) != before or c.process.poll() is not None)
        time.sleep(rng.uniform(0, 0.3))
        assert command.tell(signal.SIGKILL)[0] == -signal.SIGKILL, command.said
        # As if it had been in the midst of writing the next one, which takes too short a time to be met by chance.
        file = checkpoint(folder)
        file.with_suffix(".part").write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


def written(folder):
    file = checkpoint(folder)
    return file and file.stat().st_mtime_ns


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    _compare(undisturbed, tmp_path, ready, times=2, seed=0)


@pytest.mark.soak
def test_killed_ten_times_it_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    _compare(undisturbed, tmp_path, ready, times=10, seed=time.time_ns())


def _compare(undisturbed, tmp_path, ready, times, seed):
    whole, state, precision = undisturbed
    folder = projects.copy(ready, tmp_path / "p", {"train": {"precision": precision}})
    killed(folder, times, random.Random(seed))
    assert same(last_state(folder), state), seed
    assert content(folder) == content(whole), seed
