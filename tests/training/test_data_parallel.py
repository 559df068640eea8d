"""Two processes that really talk (gloo, loopback) and one agree."""

import socket
import subprocess
import sys

import pytest
import torch

from tests.conftest import ROOT

# Both methods, as the papers have them and with every departure, f_I and its means known beforehand too, and the
# recognisers: the gradients of the first step in float32, and the weights after twenty steps in float64 with the
# optimizers that training uses.
SCRIPT = """
import sys, torch
from torch import distributed
from pipeline.methods import ipgan
from tests.methods import test_cvaegan, test_ipgan, test_recognition
from pipeline.methods.recognition import Recognition
from tests.methods.learning import gradients, gradients_of

rank, world, port, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if world > 1:
    distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=world)

def part(batch, dtype):
    def mine(value):
        if not isinstance(value, torch.Tensor):
            return value
        own = value[rank * 4 // world : (rank + 1) * 4 // world]
        return own.to(dtype) if own.is_floating_point() else own
    return type(batch)(*map(mine, batch))

def same(batch):
    return getattr(batch, "same", True)

def known():
    m, seen = test_ipgan.ours(), test_ipgan.batch()
    m.known = m.identity(seen.x_s)[0].detach()
    m.means = ipgan.person_means(m.known, seen.c)
    return m

class ByPlace:
    batch = staticmethod(lambda: test_ipgan.batch()._replace(x_s=None, s=torch.arange(4)))

def first_gradients(m, first):
    if isinstance(m, Recognition):
        return gradients_of(m, ["network"], lambda: m.training_step(first, 0))
    return gradients(m, m.terms(first), m.objectives(same(first)))

result = {}
makers = {"paper": test_ipgan.method, "ours": test_ipgan.ours}
makers["laid"] = lambda: test_ipgan.ours().to(memory_format=torch.channels_last)  # as a fit has it
makers |= {"cvaegan": test_cvaegan.cvae, "frozen": test_cvaegan.frozen, "known": known}
makers |= {"recogniser": test_recognition.recognition, "judge": test_recognition.judge}
tests = {"paper": test_ipgan, "ours": test_ipgan, "laid": test_ipgan, "known": ByPlace}
tests |= {"recogniser": test_recognition, "judge": test_recognition}
for name, make in makers.items():
    test = tests.get(name, test_cvaegan)
    torch.manual_seed(0)
    m = make()
    first = part(test.batch(), torch.float32)
    found = first_gradients(m, first)
    result[name, "gradients"] = {n: torch.cat([g.flatten() for g in gs]) for n, gs in found.items()}
    torch.manual_seed(0)
    m = make().double()
    if name == "known":
        m.known, m.means = m.known.double(), m.means.double()
    made = m.configure_optimizers()
    m.optimizers = lambda: made
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    for step in range(20):
        torch.manual_seed(step)
        m.training_step(part(test.batch(), torch.float64), step)
    result[name, "weights"] = m.state_dict()
if rank == 0:
    torch.save({"/".join(key): value for key, value in result.items()}, out)
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
    script.write_text(SCRIPT)
    one, two = (run(str(script), world, str(tmp_path / f"{world}.pt")) for world in (1, 2))
    for name in ("paper", "ours", "laid", "known", "cvaegan", "frozen", "recogniser", "judge"):
        for network, gradient in one[f"{name}/gradients"].items():
            off = (two[f"{name}/gradients"][network] - gradient).norm()
            assert off <= 1e-5 * gradient.norm(), (name, network)
        assert any(gradient.norm() > 0 for gradient in one[f"{name}/gradients"].values()), name
        for key, value in one[f"{name}/weights"].items():
            torch.testing.assert_close(two[f"{name}/weights"][key], value, rtol=0, atol=1e-9)
