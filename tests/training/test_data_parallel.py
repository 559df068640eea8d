"""Two processes that really talk (gloo, loopback) and one agree."""

import socket
import subprocess
import sys
import textwrap

import pytest
import torch

from tests.conftest import ROOT

# One SGD step in float64 of the whole method on a batch of four, split over the processes.
SCRIPT = """
import sys, torch
from torch import distributed
from pipeline.datasets.pairs import Pairs
from tests.methods.test_ipgan import batch, method, ours

rank, world, port, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
if world > 1:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)
result = {}
for make in (method, ours):
    torch.manual_seed(0)
    m = make().double()
    whole = batch()
    mine = slice(rank * 4 // world, (rank + 1) * 4 // world)
    x_s, x_a, c, c_a, noise, same = whole
    part = Pairs(x_s[mine].double(), x_a[mine].double(), c[mine], c_a[mine], noise[mine].double(), same)
    optimizers = [torch.optim.SGD(getattr(m, name).parameters(), lr=1e-3) for name in m.objectives(same)]
    m.optimizers = lambda: optimizers
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    for _ in range(3):
        m.update(m.terms(part), m.objectives(same))
    result[make.__name__] = m.state_dict()
if rank == 0:
    torch.save(result, out)
"""


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def run(script, world, out):
    port = str(free_port())
    processes = [
        subprocess.Popen(
            [sys.executable, script, str(rank), str(world), port, out], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        for rank in range(world)
    ]
    assert [p.wait(timeout=120) for p in processes] == [0] * world
    return torch.load(out, weights_only=True)


@pytest.mark.slow
def test_two_processes_and_one_take_the_same_steps(tmp_path):
    script = tmp_path / "steps.py"
    script.write_text(textwrap.dedent(SCRIPT))
    one, two = (run(str(script), world, str(tmp_path / f"{world}.pt")) for world in (1, 2))
    for name in ("method", "ours"):
        for key, value in one[name].items():
            torch.testing.assert_close(two[name][key], value, rtol=1e-4, atol=1e-6)
