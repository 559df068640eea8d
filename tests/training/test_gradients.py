"""Sums and work that processes share, with processes that really talk (gloo, loopback)."""

import os

import pytest
import torch

from pipeline.training.gradients import as_it_lies
from pipeline.training.sharing import _parts
from tests.training.test_data_parallel import run

# Means of two lengths and precisions, twice each, and work on matrices: rank 0 writes what each process has.
SCRIPT = """
import os, sys, time, torch
from torch import distributed
from pipeline.training import gradients, shared_memory, sharing
from pipeline.training.optimizers import Muon
from pipeline.training.sharing import shared_out

rank, world, port, out = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4]
torch.set_num_threads(1)
if {nowhere}:
    vars(os).pop("memfd_create", None)
if {elsewhere} and rank == world - 1:
    opens, shared_memory._opens = shared_memory._opens, lambda place, token, at: opens(place, bytes(len(token)), at)
wait = shared_memory.wait

def late():
    "One comes late, another goes on late: who did not wait for them would read what is not there yet."
    time.sleep(0.02 * (rank == 0))
    wait()
    time.sleep(0.02 * (rank == world - 1))

shared_memory.wait = gradients.wait = sharing.wait = late
torch.cpu.get_capabilities = lambda: {{"avx512_bf16": rank != {differ}}}
distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{{port}}", rank=rank, world_size=world)
mine = {{}}
for dtype in (torch.float32, torch.float64):
    for size in (1, 1001):
        for turn in (1, 2):
            weights = [torch.nn.Parameter(torch.zeros(n, dtype=dtype)) for n in (size, 1)]
            for w in weights:
                w.grad = torch.arange(len(w), dtype=dtype) / 7 * turn + rank
            gradients.average_gradients(weights)
            mine[f"{{dtype}} {{size}} {{turn}}"] = weights[0].grad
mine["shared"] = torch.tensor(shared_memory.shared(9, torch.zeros(1)) is not None)
worked_on = []
work = lambda m: worked_on.append(m) or 2 * m
matrices = [torch.full((n, 3), n, dtype=torch.bfloat16) for n in (1, 5, 2, 3)]
shared_out(work, [m + 1 for m in matrices])
mine |= {{f"matrix {{n}}": m.clone() for n, m in enumerate(shared_out(work, matrices))}}
mine["work"] = torch.tensor(len(worked_on) // 2)
weight = torch.nn.Parameter(torch.linspace(-1, 1, 32 * 16 * 9).view(32, 16, 3, 3).to(memory_format=torch.channels_last))
muon = Muon([weight], lr=0.1, momentum=0.9)
weight.grad = weight.detach().sin()
with torch.autocast("cpu", torch.bfloat16):
    muon.step()
mine |= {{"weight": weight.detach(), "precision": torch.tensor(muon.precision == torch.bfloat16)}}
found = [None] * world
distributed.all_gather_object(found, mine)
if rank == 0:
    torch.save(found, out)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("world", "nowhere", "elsewhere", "differ"),
    [(2, False, False, -1), (5, False, False, 1), (2, True, False, -1), (3, False, True, 2)],
)
def test_each_has_the_means_and_all_the_work(tmp_path, world, nowhere, elsewhere, differ):
    """Through shared memory, and where there is none: another system, a process on another machine."""
    script = tmp_path / "sums.py"
    script.write_text(SCRIPT.format(nowhere=nowhere, elsewhere=elsewhere, differ=differ))
    found = run(str(script), world, str(tmp_path / "found.pt"))
    for mine in found:
        assert torch.equal(mine["weight"], found[0]["weight"])
        assert mine["precision"] == (differ < 0), "one that has no bf16 decides for all"
        assert mine["shared"] == (hasattr(os, "memfd_create") and not nowhere and not elsewhere)
        for dtype in (torch.float32, torch.float64):
            for size in (1, 1001):
                for turn in (1, 2):
                    x = mine[f"{dtype} {size} {turn}"]
                    expected = torch.arange(size, dtype=dtype) / 7 * turn + (world - 1) / 2
                    torch.testing.assert_close(x, expected)
                    assert torch.equal(x, found[0][f"{dtype} {size} {turn}"])
        for n, rows in enumerate((1, 5, 2, 3)):
            assert torch.equal(mine[f"matrix {n}"], torch.full((rows, 3), 2 * rows, dtype=torch.bfloat16))
    assert sorted(int(mine["work"]) for mine in found) == {2: [1, 3], 3: [1, 1, 2], 5: [0, 1, 1, 1, 1]}[world]


def test_parts_are_about_the_same():
    assert _parts([5, 1, 4, 3, 3], 2) == [[0, 4], [2, 3, 1]]


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_as_it_lies_is_a_view_without_gaps(memory_format):
    kernel = torch.randn(4, 5, 3, 3).to(memory_format=memory_format)
    assert as_it_lies(kernel, kernel).is_contiguous()
    assert as_it_lies(kernel, kernel).data_ptr() == kernel.data_ptr()
