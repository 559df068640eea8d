"""A process for each core: the same results as from one, in their order, and nothing of it stays behind."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
import torch

from pipeline.applications.evaluation.side_by_side import side_by_side
from pipeline.errors import UserError
from tests.conftest import ROOT


@pytest.fixture(params=["1", "2"])
def workers(request, monkeypatch):
    monkeypatch.setenv("FACET_WORKERS", request.param)
    return int(request.param)


def test_results_come_in_the_order_of_their_parts(workers):
    def work(part: int) -> tuple[int, np.ndarray]:
        time.sleep(0.05 * (part % 3))
        return os.getpid(), np.full(3, part)

    done = side_by_side(work, 7, copied=True)
    assert [result[1].tolist() for result in done] == [[part] * 3 for part in range(7)]
    others = {pid for pid, _ in done}
    assert others == {os.getpid()} if workers == 1 else len(others) == workers and os.getpid() not in others
    assert not psutil.Process().children()


def test_no_digit_depends_on_how_many_there_are(monkeypatch):
    """Nor on how many threads the caller has, which it still has afterwards."""
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 300, 300, generator=generator)

    def work(part: int) -> torch.Tensor:
        assert torch.get_num_threads() == 1
        return (a[part:] @ b).sum()

    found = []
    before = torch.get_num_threads()
    try:
        for count, threads in (("1", 1), ("1", 4), ("2", 1), ("2", 4)):
            monkeypatch.setenv("FACET_WORKERS", count)
            torch.set_num_threads(threads)
            found.append(torch.stack(side_by_side(work, 4, copied=True)))
            assert torch.get_num_threads() == threads
    finally:
        torch.set_num_threads(before)
    assert all(torch.equal(one, found[0]) for one in found)


def test_a_gradient_can_be_had_in_each(workers):
    x = torch.linspace(0, 1, 64, requires_grad=True)
    (x * x).sum().backward()  # as a fit before it would have had one

    def work(part: int) -> torch.Tensor:
        y = torch.full((64,), float(part), requires_grad=True)
        (gradient,) = torch.autograd.grad((y**3).sum(), y)
        return gradient

    for part, gradient in enumerate(side_by_side(work, 4, copied=True)):
        torch.testing.assert_close(gradient, torch.full((64,), 3.0 * part**2))


def test_chance_outside_is_not_touched(workers):
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    side_by_side(lambda part: part, 3, copied=True)
    assert torch.equal(torch.rand(4), wanted)


def test_the_sentence_of_a_mistake_arrives(workers):
    def work(part: int) -> int:
        if part == 2:
            raise UserError("that picture is not there: name another")
        return part

    with pytest.raises(UserError, match=r"^that picture is not there: name another$"):
        side_by_side(work, 5, copied=True)


def test_one_that_dies_ends_all_of_it(monkeypatch):
    monkeypatch.setenv("FACET_WORKERS", "2")

    def work(part: int) -> int:
        if part == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(0.1)
        return part

    with pytest.raises(RuntimeError, match=r"exited unexpectedly|is killed by signal"):
        side_by_side(work, 6, copied=True)
    assert not [child for child in psutil.Process().children() if child.status() != psutil.STATUS_ZOMBIE]


KILLED = """
import os, signal, time
from pipeline.applications.evaluation.side_by_side import side_by_side

def work(part):
    print(os.getpid(), flush=True)
    if part == 2:
        os.kill(os.getppid(), signal.SIGKILL)
    return bytes(10_000_000)  # more than a pipe takes before somebody reads

side_by_side(work, 100, copied=True)
"""


def test_none_stays_behind_when_their_process_is_killed():
    env = os.environ | {"FACET_WORKERS": "2"}
    done = subprocess.run(
        [sys.executable, "-c", KILLED], cwd=ROOT, env=env, stdout=subprocess.PIPE, text=True, check=False
    )
    assert done.returncode == -signal.SIGKILL
    copies = {int(pid) for pid in done.stdout.split()}
    assert len(copies) == 2
    end = time.monotonic() + 20
    while left := [pid for pid in copies if psutil.pid_exists(pid)]:
        assert time.monotonic() < end, left
        time.sleep(0.1)


def test_what_cannot_be_copied_is_done_here_with_all_threads(monkeypatch):
    monkeypatch.setenv("FACET_WORKERS", "2")
    before = torch.get_num_threads()
    assert (
        side_by_side(lambda _: (os.getpid(), torch.get_num_threads()), 3, copied=False) == [(os.getpid(), before)] * 3
    )
