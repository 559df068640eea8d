"""A fit that is interrupted and taken up again ends where an uninterrupted one does; it may run on two processes."""

import copy
import json
import os
import subprocess
import sys

import pytest
import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.training.average import Average
from pipeline.training.resume import FILE
from pipeline.training.trainer import Fit
from tests.conftest import ROOT, unavailable
from tests.methods.test_ipgan import batch, ours

STEPS, SIZE = 6, 4


class Steps:
    """Pairs that are a function of the step, as the real ones."""

    places = False

    def __init__(self, stop_before=None):
        self.stop_before, self.seen = stop_before, []

    def __getitem__(self, step):
        if step == self.stop_before:
            raise KeyboardInterrupt
        self.seen.append(step)
        with torch.random.fork_rng():
            torch.manual_seed(step)
            return batch(same=step % 2 == 0)

    def __len__(self):
        return STEPS

    def share(self, rank, world):
        return self


def fit(folder, batches, average=None, *first):
    torch.manual_seed(0)
    module = ours()
    points = []
    os.environ["FACET_CHECKPOINT_IMAGES"] = str(2 * SIZE)  # the next test begins without it

    def record(values, images, again=False):
        points.append((images, values))

    job = Fit("train", folder, STEPS * SIZE, SIZE, "32-true", record, average)
    job.callbacks[:0] = first
    job.run(module, batches)
    return module, points, job


def test_resumed_equals_uninterrupted(tmp_path):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    averages = [Average(("generator",), 8, SIZE) for _ in range(3)]
    whole, whole_points, _ = fit(tmp_path / "a", Steps(), averages[0])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path / "b", Steps(stop_before=5), averages[1])
    assert (tmp_path / "b" / FILE).exists()
    rest = Steps()
    resumed, points, _ = fit(tmp_path / "b", rest, averages[2])
    assert rest.seen in ([2, 3, 4, 5], [4, 5])  # a second checkpoint is not due so soon after the first
    assert points == whole_points
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, rtol=0, atol=0)
    for key, value in averages[0].averages["generator"].state_dict().items():
        torch.testing.assert_close(averages[2].averages["generator"].state_dict()[key], value, rtol=0, atol=0)


def test_the_curve_has_every_term_and_counts_images(tmp_path):
    _, points, job = fit(tmp_path, Steps())
    assert points[0][0] == SIZE
    assert {"train/L_GC", "train/L_KL", "train/L_D"} <= set(job.last)
    # one step a point here, and steps alternate
    kinds = ["train/L_GR_same" if "train/L_GR_same" in values else "train/L_GR_cross" for _, values in points]
    assert kinds == ["train/L_GR_same", "train/L_GR_cross"] * (STEPS // 2)


def test_a_batch_that_cannot_be_split_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FACET_DEVICES", "3")
    with pytest.raises(UserError, match="batch_size 4 cannot be split over 3 processes"):
        fit(tmp_path, Steps())


def test_the_average_moves_half_way_in_a_half_life():
    class Module(nn.Module):
        def __init__(self):
            super().__init__()
            self.generator = nn.Linear(1, 1)
            self.batches_done = 0

    module = Module()
    nn.init.zeros_(module.generator.weight)
    average = Average(("generator",), half_life=40, batch_size=4)
    average.on_train_start(None, module)
    nn.init.ones_(module.generator.weight)
    for module.batches_done in range(1000, 1010):  # far enough for the full half-life
        average.on_train_batch_end(None, module)
    assert average.averages["generator"].weight.item() == pytest.approx(0.5)
    assert copy.deepcopy(average.averages["generator"]).weight.requires_grad is False


@pytest.mark.slow
def test_a_fit_that_is_told_to_stop_exits_with_143_and_can_be_taken_up_again(tmp_path):
    """SIGTERM, as a scheduler sends it; Lightning alone would exit with 0, and DVC store half a model as finished."""
    script = """
import os, signal, sys
from pathlib import Path
from tests.training.test_fit import Steps, fit
class Stopped(Steps):
    def __getitem__(self, step):
        if step == 5:
            os.kill(os.getpid(), signal.SIGTERM)
        return super().__getitem__(step)
fit(Path(sys.argv[1]), Stopped())
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr[-2000:]
    assert (tmp_path / FILE).exists()


@pytest.mark.slow
def test_a_fit_that_is_told_to_stop_before_its_first_step_exits_with_143_too(tmp_path):
    """While I looks at all images, which may take minutes."""
    script = """
import os, signal, sys
import numpy as np
from pathlib import Path
from tests.training.test_fit import Steps, batch, fit
class Stopped(Steps):
    places, labels, labelled = True, np.zeros(10**6, int), 10**6
    def in_order(self, images, at_once):
        for portion in range(images // at_once):
            if portion == 2:
                os.kill(os.getpid(), signal.SIGTERM)
            assert portion < 4, "it goes on"
            yield batch().x_a
fit(Path(sys.argv[1]), Stopped())
"""
    command = [sys.executable, "-c", script, str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 143, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert not (tmp_path / FILE).exists()


@pytest.mark.gpu
def test_a_gpu_is_used_where_there_is_one(tmp_path):
    if not torch.cuda.is_available():
        unavailable("gpu", "torch sees no GPU")
    _, points, _ = fit(tmp_path, Steps())
    assert len(points) == STEPS
    assert torch.cuda.max_memory_allocated() > 0


@pytest.mark.slow
def test_two_processes_fit_as_one_does_and_one_of_them_goes_on(tmp_path):
    """A real run of the Trainer on two CPU processes (gloo): same curves, and only the first gets past the fit."""
    script = """
import json, os, sys
from pathlib import Path
from tests.training.test_fit import SIZE, fit
from pipeline.datasets.pairs import Pairs
from tests.training import test_fit

class Shared(test_fit.Steps):
    def __init__(self, rank=0, world=1):
        super().__init__()
        self.rank, self.world = rank, world
    def share(self, rank, world):
        return Shared(rank, world)
    def __getitem__(self, step):
        pairs = super().__getitem__(step)
        mine = slice(self.rank * SIZE // self.world, (self.rank + 1) * SIZE // self.world)
        return Pairs(*(t[mine] for t in pairs[:5]), pairs.same)

folder = Path(sys.argv[1])
_, points, _ = fit(folder, Shared())
(folder / f"points{os.environ.get('LOCAL_RANK', 0)}.json").write_text(json.dumps(points))
"""
    results = []
    for devices in ("1", "2"):
        folder = tmp_path / devices
        folder.mkdir()
        file = folder / "fit.py"
        file.write_text(script)
        env = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "FACET_DEVICES": devices,
            "CUDA_VISIBLE_DEVICES": "",
        }
        done = subprocess.run(
            [sys.executable, str(file), str(folder)], cwd=ROOT, env=env, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr[-3000:]
        assert [path.name for path in folder.glob("points*")] == ["points0.json"]
        results.append(json.loads((folder / "points0.json").read_text()))
    for (images, values), (images_two, values_two) in zip(*results, strict=True):
        assert images == images_two
        assert values == pytest.approx(values_two, rel=2e-2, abs=1e-3)
    assert results[0][0][1] == pytest.approx(results[1][0][1], rel=1e-4)
