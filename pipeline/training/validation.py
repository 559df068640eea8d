"""Looks at the networks while they learn, every so many images, and leaves them as they were."""

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn

from pipeline.training.average import Average
from pipeline.training.progress import Progress

Check = Callable[[Mapping[str, nn.Module], int], dict[str, float]]
log = logging.getLogger(__name__)


class Validation(pl.Callback):
    """Has `check` look at the networks at the first batch past each multiple of `images_between`, and at the end.

    In the first process alone: the others wait for it in the next reduction. Nothing that is learned depends on it:
    no gradient, no global random number, no mode of a network is left behind.

    Args:
        check: the networks by name, averaged where there is an average, in evaluation mode, and images seen -> values.
        images_between: two looks.
        progress: gets the values, for the curves.
        average: the averages that stand for their networks, or None.
    """

    def __init__(self, check: Check, images_between: int, progress: Progress, average: Average | None) -> None:
        self.check, self.images_between = check, images_between
        self.progress, self.average = progress, average

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        batch_size = self.progress.batch_size
        seen = module.batches_done * batch_size
        due = seen // self.images_between > (seen - batch_size) // self.images_between
        if not trainer.is_global_zero or not (due or seen + batch_size > self.progress.images):
            return
        began = time.monotonic()
        averages = self.average.averages if self.average else {}
        networks = {name: averages.get(name, network) for name, network in module.named_children()}
        with undisturbed(networks.values()):
            values = self.check(networks, seen)
        self.progress.add(values, seen)
        said = "  ".join(f"{name} {value:.3g}" for name, value in values.items())
        log.info("%d images  %s  (%.1f s)", seen, said, time.monotonic() - began)


@contextmanager
def undisturbed(networks: Iterable[nn.Module]) -> Iterator[None]:
    """Evaluation mode and no gradients inside; outside, every module is in the mode in which it was."""
    modes = [(module, module.training) for network in networks for module in network.modules()]
    try:
        with torch.no_grad():
            for module, _ in modes:
                module.training = False
            yield
    finally:
        for module, training in modes:
            module.training = training
