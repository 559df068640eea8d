"""A fit that is interrupted and taken up again ends where an uninterrupted one does; it may run on two processes."""

import copy

import pytest
import torch
from torch import nn

from pipeline.errors import UserError
from pipeline.training.average import Average
from pipeline.training.resume import FILE
from pipeline.training.trainer import Fit
from tests.methods.test_ipgan import batch, ours

STEPS, SIZE = 6, 4


class Steps:
    """Pairs that are a function of the step, as the real ones."""

    def __init__(self, stop_before=None):
        self.stop_before, self.seen = stop_before, []

    def __getitem__(self, step):
        if step == self.stop_before:
            raise KeyboardInterrupt
        self.seen.append(step)
        torch.random.fork_rng()
        state = torch.get_rng_state()
        torch.manual_seed(step)
        pairs = batch(same=step % 2 == 0)
        torch.set_rng_state(state)
        return pairs

    def __len__(self):
        return STEPS

    def share(self, rank, world):
        return self


def fit(folder, batches, monkeypatch, average=None):
    torch.manual_seed(0)
    module = ours()
    points = []
    job = Fit(folder, STEPS * SIZE, SIZE, "32-true", lambda values, images: points.append((images, values)), average)
    job.resume.every = 2
    job.run(module, batches)
    return module, points, job


def test_resumed_equals_uninterrupted(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir(), (tmp_path / "b").mkdir()
    averages = [Average(("generator",), 8, SIZE) for _ in range(3)]
    whole, _, _ = fit(tmp_path / "a", Steps(), monkeypatch, averages[0])
    with pytest.raises((KeyboardInterrupt, SystemExit)):
        fit(tmp_path / "b", Steps(stop_before=5), monkeypatch, averages[1])
    assert (tmp_path / "b" / FILE).exists()
    rest = Steps()
    resumed, points, _ = fit(tmp_path / "b", rest, monkeypatch, averages[2])
    assert rest.seen == [4, 5]
    assert [images for images, _ in points] == [20, 24]
    for key, value in whole.state_dict().items():
        torch.testing.assert_close(resumed.state_dict()[key], value, rtol=0, atol=0)
    for key, value in averages[0].averages["generator"].state_dict().items():
        torch.testing.assert_close(averages[2].averages["generator"].state_dict()[key], value, rtol=0, atol=0)


def test_the_curve_has_every_term_and_counts_images(tmp_path, monkeypatch):
    _, points, job = fit(tmp_path, Steps(), monkeypatch)
    assert points[0][0] == SIZE
    assert {"train/L_GR_same", "train/L_GC", "train/L_KL", "train/L_D"} <= set(job.last)


def test_a_batch_that_cannot_be_split_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("FACET_DEVICES", "3")
    with pytest.raises(UserError, match="batch_size 4 cannot be split over 3 processes"):
        fit(tmp_path, Steps(), monkeypatch)


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
