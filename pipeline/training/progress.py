"""Where a fit stands: means of what the module logs, for the curves and as lines a log file can hold."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor

log = logging.getLogger(__name__)


class Progress(pl.Callback):
    """Every so many batches, hands the mean of each value on with the number of images seen, and says a line.

    A module leaves in `logged` what it has to say of its last step: name -> scalar.

    Args:
        record: called with values and images seen (tracking).
        batch_size: images of a step, over all processes.
        images: images of the whole fit.
        points: about how many points a curve gets.
    """

    def __init__(
        self,
        record: Callable[[Mapping[str, float], int], None],
        batch_size: int,
        images: int,
        points: int = 60,
    ) -> None:
        self.record, self.batch_size, self.images = record, batch_size, images
        self.every = max(1, images // batch_size // points)
        self.points: list[tuple[int, dict[str, float]]] = []
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.batches, self.since = 0, 0.0

    def state_dict(self) -> dict[str, Any]:
        """All of it but the clock, as plain data and tensors."""
        return {"points": self.points, "sums": self.sums, "counts": self.counts, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; what was recorded then is recorded again, for this run's curves."""
        self.points, self.sums = [(images, values) for images, values in state["points"]], state["sums"]
        self.counts, self.batches = state["counts"], state["batches"]
        for images, values in self.points:
            self.record(values, images)

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        for name, value in module.logged.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.batches += 1
        if self.batches < self.every and module.batches_done * self.batch_size + self.batch_size <= self.images:
            return
        means = torch.stack([total.float() / self.counts[name] for name, total in self.sums.items()])
        means = trainer.strategy.reduce(means, reduce_op="mean")
        values = dict(zip(self.sums, means.tolist(), strict=True))
        seen, now = module.batches_done * self.batch_size, time.monotonic()
        rate = self.batches * self.batch_size / (now - self.since)
        self.points.append((seen, values))
        self.sums, self.counts, self.batches, self.since = {}, {}, 0, now
        if trainer.is_global_zero:
            self.record(values, seen)
            shown = "  ".join(f"{name.split('/')[-1]} {value:.3g}" for name, value in values.items())
            left = (self.images - seen) / rate / 60
            log.info("%d of %d images, %.0f/s, %.1f min left  %s", seen, self.images, rate, max(0, left), shown)
