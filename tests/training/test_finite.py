"""A fit in which something is no longer a finite number stops, says what, and keeps the last good checkpoint."""

import pytest
import pytorch_lightning as pl
import torch

from pipeline.training.finite import NotFiniteError, first_not_finite
from pipeline.training.resume import FILE
from tests.training.test_fit import STEPS, Steps, fit


class Poisoned(Steps):
    """Images that are NaN from a step on."""

    def __init__(self, step):
        super().__init__()
        self.step = step

    def __getitem__(self, step):
        pairs = super().__getitem__(step)
        return pairs._replace(x_a=pairs.x_a * float("nan")) if step >= self.step else pairs


def test_the_message_names_term_step_checkpoint_and_what_to_lower(tmp_path):
    said = (
        r"train/L_\w+ is not a finite number after step 4 \(16 images\); "
        r"the last good checkpoint of 8 images is kept"
    )
    with pytest.raises(NotFiniteError, match=said) as error:
        fit(tmp_path, Poisoned(step=3))
    assert "Lower train.learning_rate" in str(error.value)
    kept = torch.load(tmp_path / FILE, weights_only=True)
    assert kept["batches_done"] == 2
    assert all(t.isfinite().all() for t in kept["module"].values())


def test_none_is_kept_where_none_was_due(tmp_path):
    with pytest.raises(NotFiniteError, match="the last good checkpoint was not due yet"):
        fit(tmp_path, Poisoned(step=0))
    assert not (tmp_path / FILE).exists()


class Ruins(pl.Callback):
    """What the last update may do: the terms of a step were computed before."""

    def on_train_batch_end(self, trainer, module, *_):
        if module.batches_done == STEPS:
            torch.nn.init.constant_(module.generator.get_parameter("pixels.0.weight"), float("inf"))


def test_weights_that_are_not_finite_are_never_written(tmp_path):
    with pytest.raises(NotFiniteError, match=r"generator\.pixels\.0\.weight is not a finite number after step 6"):
        fit(tmp_path, Steps(), None, Ruins())
    assert 0 < torch.load(tmp_path / FILE, weights_only=True)["batches_done"] < STEPS


def test_the_first_parameter_that_is_not_finite_is_named():
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    assert first_not_finite(network.named_parameters()) == ""
    with torch.no_grad():
        network[1].bias[1] = float("inf")
    assert first_not_finite(network.named_parameters()) == "1.bias"
