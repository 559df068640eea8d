"""Looking at a training changes nothing of it, happens when it should, and is in the curves however often it stops."""

import json
import os
import subprocess
import sys

import pytest
import torch

from pipeline.training.average import Average
from pipeline.training.trainer import Fit
from tests.conftest import ROOT
from tests.methods.test_ipgan import ours
from tests.training.test_fit import SIZE, STEPS, Steps


class Look:
    """A check that notes how it finds the networks, and uses them."""

    def __init__(self):
        self.seen, self.networks = [], None

    def __call__(self, networks, images):
        modes = {module.training for network in networks.values() for module in network.modules()}
        self.networks = networks
        f_I, _ = networks["identity"](torch.zeros(2, 3, 32, 32))
        out = networks["generator"](f_I, torch.zeros(2, 4))
        self.seen.append((images, modes, torch.is_grad_enabled(), out.dtype))
        return {"val/mean": float(out.mean())}


def fit(folder, check, images_between=8, stop_before=None, precision="32-true", average=None):
    torch.manual_seed(0)
    module, points = ours(), []
    module.attributes.eval()  # as somebody may have left it
    folder.mkdir(exist_ok=True)

    def record(values, images):
        points.append((images, values))

    job = Fit(folder, STEPS * SIZE, SIZE, precision, record, average, check, images_between)
    job.resume.every = 2
    job.run(module, Steps(stop_before))
    return module, points


def of_val(points):
    return [(images, values) for images, values in points if "val/mean" in values]


@pytest.mark.parametrize(("between", "looks"), [(8, [8, 16, 24]), (10, [12, 20, 24]), (3, range(4, 25, 4)), (99, [24])])
def test_it_looks_at_the_first_batch_past_each_multiple_and_at_the_end(tmp_path, between, looks):
    look = Look()
    _, points = fit(tmp_path, look, between)
    assert [images for images, *_ in look.seen] == list(looks)
    assert [images for images, _ in of_val(points)] == list(looks)


def test_the_networks_are_shown_for_use_and_not_for_learning(tmp_path):
    look = Look()
    fit(tmp_path, look, precision="bf16-mixed")
    assert {(frozenset(modes), grad, dtype) for _, modes, grad, dtype in look.seen} == {
        (frozenset({False}), False, torch.float32)
    }


def test_it_changes_no_byte_of_what_is_learned_and_no_mode(tmp_path):
    watched, _ = fit(tmp_path / "a", Look(), 4)
    alone, _ = fit(tmp_path / "b", None)
    for (name, a), b in zip(watched.state_dict().items(), alone.state_dict().values(), strict=True):
        assert torch.equal(a, b), name
        assert a.stride() == b.stride(), name
    modes = [{name: module.training for name, module in m.named_modules()} for m in (watched, alone)]
    assert modes[0] == modes[1]
    assert set(modes[0].values()) == {True, False}


def test_averages_stand_for_their_networks(tmp_path):
    look, average = Look(), Average(("generator",), 8, SIZE)
    module, _ = fit(tmp_path, look, average=average)
    assert look.networks["generator"] is average.averages["generator"]
    assert look.networks["identity"] is module.identity


def test_a_training_taken_up_again_has_all_its_points(tmp_path):
    _, whole = fit(tmp_path / "a", Look())
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path / "b", Look(), stop_before=5)
    rest = Look()
    _, resumed = fit(tmp_path / "b", rest)
    assert [images for images, *_ in rest.seen] == [24]
    assert resumed == whole


@pytest.mark.slow
def test_of_two_processes_the_first_alone_looks(tmp_path):
    script = """
import json, os, sys
from pathlib import Path
from tests.training.test_validation import Look, fit
look = Look()
try:
    fit(Path(sys.argv[1]), look)
finally:
    Path(sys.argv[1], f"seen{os.environ.get('LOCAL_RANK', 0)}.json").write_text(json.dumps([s[0] for s in look.seen]))
"""
    file = tmp_path / "fit.py"
    file.write_text(script)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "FACET_DEVICES": "2", "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run([sys.executable, str(file), str(tmp_path)], cwd=ROOT, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    seen = {path.name: json.loads(path.read_text()) for path in tmp_path.glob("seen*.json")}
    assert seen == {"seen0.json": [8, 16, 24], "seen1.json": []}
