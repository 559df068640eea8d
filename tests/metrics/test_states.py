"""No metric's printed digits depend on processes, order or autocast: all that have a state, whatever they measure."""

import importlib
import inspect
import json
import pkgutil
import subprocess
import sys

import pytest
import torch
from torchmetrics import Metric

import pipeline.metrics
from tests.conftest import ROOT
from tests.metrics.states import ROWS, cases, values
from tests.training.test_data_parallel import free_port

CASES = cases()


EACH = pytest.mark.parametrize("name", CASES)

# The first has the even rows and the second the odd ones. Only the reduction over processes can bring the others.
SCRIPT = """
import json, sys, torch
from torch import distributed
from tests.metrics.states import ROWS, cases, values

rank, port, out = int(sys.argv[1]), sys.argv[2], sys.argv[3]
torch.set_num_threads(1)
distributed.init_process_group("gloo", init_method=f"tcp://127.0.0.1:{port}", rank=rank, world_size=2)
found = {}
for name, case in cases().items():
    try:
        found[name] = values(case, torch.arange(rank, ROWS, 2))
    except ValueError as error:  # so that the others still have their turn
        found[name] = {"refused": str(error)}
with open(out, "w") as file:
    json.dump(found, file)
distributed.destroy_process_group()
"""


# Significant digits, and how far two processes may be off: sums are float64, but cosines are of float32.
DIGITS = dict.fromkeys(CASES, 9) | {"IdentityRetrieval": 5}
OFF = dict.fromkeys(CASES, 1e-12) | {"IdentityRetrieval": 1e-7}


def printed(name, found):
    """At least as many digits as tables show."""
    return {key: f"{value:.{DIGITS[name]}g}" for key, value in found.items()}


def test_no_metric_with_a_state_is_left_out():
    modules = [
        importlib.import_module(m.name) for m in pkgutil.iter_modules(pipeline.metrics.__path__, "pipeline.metrics.")
    ]
    own = {
        name
        for module in modules
        for name, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Metric) and kind.__module__ == module.__name__ and not inspect.isabstract(kind)
    }
    assert own == set(CASES)


@pytest.fixture(scope="module")
def alone():
    """What one process says of all rows, in their order."""
    return {name: values(case, torch.arange(ROWS)) for name, case in CASES.items()}


@pytest.fixture(scope="module")
def together(tmp_path_factory):
    """What each of two processes says that have half of the rows each."""
    folder = tmp_path_factory.mktemp("states")
    script, port = folder / "states.py", str(free_port())
    script.write_text(SCRIPT)
    outs = [folder / f"{rank}.json" for rank in range(2)]
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(rank), port, str(out)], cwd=ROOT, env={"PYTHONPATH": str(ROOT)}
        )
        for rank, out in enumerate(outs)
    ]
    assert [p.wait(timeout=120) for p in processes] == [0, 0]
    return [json.loads(out.read_text()) for out in outs]


@EACH
@pytest.mark.slow
def test_two_processes_say_what_one_says(name, alone, together):
    for found in together:
        assert found[name] == pytest.approx(alone[name], rel=0, abs=OFF[name])


@EACH
def test_half_of_the_rows_would_say_something_else(name, alone):
    """Else the test above could not fail."""
    assert printed(name, values(CASES[name], torch.arange(0, ROWS, 2))) != printed(name, alone[name])


@EACH
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_images_changes_no_digit(name, seed, alone):
    order = torch.randperm(ROWS, generator=torch.Generator().manual_seed(seed))
    assert printed(name, values(CASES[name], *order.split(11))) == printed(name, alone[name])


@EACH
def test_autocast_changes_no_digit(name, alone):
    with torch.autocast("cpu", torch.bfloat16):
        assert printed(name, values(CASES[name], torch.arange(ROWS))) == printed(name, alone[name])
