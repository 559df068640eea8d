"""`python -m pipeline train` as two processes: they stop together, and none outlives another."""

import signal
import time

import psutil
import pytest
import torch

from tests.training import projects
from tests.training.projects import BATCH, Command, checkpoint, content, wait_for, written

pytestmark = pytest.mark.slow
LONG = {"train": {"images": BATCH * 5000}}
SECONDS = 30


def two(folder):
    """A command in two processes that has written a checkpoint, and both of them."""
    before, command = written(folder), Command(folder, FACET_DEVICES="2")
    wait_for(lambda: written(folder) != before or command.process.poll() is not None, 200)
    assert command.process.poll() is None, command.said
    first = psutil.Process(command.process.pid)
    (second,) = [child for child in first.children() if child.cmdline()[-1:] == ["train"]]
    return command, first, second


def end_of(processes):
    """How long it takes until none is left."""
    began = time.monotonic()
    while any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in processes):
        assert time.monotonic() - began < SECONDS, f"after {SECONDS} s there is still one of {processes}"
        time.sleep(0.05)
    return time.monotonic() - began


def test_when_the_second_process_is_killed_the_first_ends_and_says_so(ready, tmp_path):
    command, _, second = two(projects.copy(ready, tmp_path / "p", LONG))
    second.kill()
    assert command.end(SECONDS) not in (0, None)
    assert "process 1 of 2 died (SIGKILL)" in command.said
    assert "Traceback" not in command.said


def test_when_the_first_process_is_killed_the_second_ends(ready, tmp_path):
    command, first, second = two(projects.copy(ready, tmp_path / "p", LONG))
    first.kill()
    command.end()
    end_of([second])


def test_killed_and_started_again_two_processes_end_as_if_they_had_not_been(ready, tmp_path):
    whole, folder = (projects.copy(ready, tmp_path / name) for name in ("whole", "killed"))
    command = Command(whole, FACET_DEVICES="2")
    assert command.end() == 0, command.said
    for victim in range(2):
        command, *both = two(folder)
        both[victim].kill()
        command.end()
        end_of(both)
    command = Command(folder, FACET_DEVICES="2")
    assert command.end() == 0, command.said
    assert "Going on from" in command.said
    assert content(folder) == content(whole)


def test_when_one_hangs_for_good_a_signal_to_the_other_ends_both(ready, tmp_path):
    """SIGSTOP is the worst that can happen: no connection is closed, no handler runs."""
    command, _, second = two(projects.copy(ready, tmp_path / "p", LONG))
    second.suspend()
    time.sleep(1)
    code, seconds = command.tell(signal.SIGTERM)
    assert (code, seconds < 15) == (143, True), command.said
    second.resume()
    end_of([second])


@pytest.mark.parametrize("to_all", [True, False])
def test_a_signal_to_one_or_to_all_stops_both_at_the_same_step(ready, tmp_path, to_all):
    whole, folder = (projects.copy(ready, tmp_path / name) for name in ("whole", "stopped"))
    assert Command(whole, FACET_DEVICES="2").end() == 0
    command, _, second = two(folder)
    if to_all:
        second.send_signal(signal.SIGINT)
    code, seconds = command.tell(signal.SIGINT)
    assert (code, seconds < 15) == (130, True), command.said
    end_of([second])
    assert "stopped after" in command.said
    assert "Traceback" not in command.said
    assert torch.load(checkpoint(folder), weights_only=True)["batches_done"] < projects.STEPS
    command = Command(folder, FACET_DEVICES="2")
    assert command.end() == 0, command.said
    assert content(folder) == content(whole)
