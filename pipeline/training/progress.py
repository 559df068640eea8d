"""Where a fit stands: means of what the module logs, for the curves and as lines a log file can hold."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any

import pytorch_lightning as pl
from torch import Tensor

log = logging.getLogger(__name__)


class Progress(pl.Callback):
    """Every `every` batches, hands the mean of each logged value on with the number of images seen, and says a line.

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
        self.last: Mapping[str, float] = {}
        self.sums: dict[str, Tensor] = {}
        self.counted, self.since = 0, 0.0

    def on_train_start(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        self.since = time.monotonic()

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        for name, value in trainer.callback_metrics.items():
            self.sums[name] = self.sums.get(name, 0) + value
        self.counted += 1
        if self.counted < self.every:
            return
        values = {name: float(total) / self.counted for name, total in self.sums.items()}
        self.last = values
        seen, now = module.batches_done * self.batch_size, time.monotonic()
        rate = self.counted * self.batch_size / (now - self.since)
        self.sums, self.counted, self.since = {}, 0, now
        if trainer.is_global_zero:
            self.record(values, seen)
            shown = "  ".join(f"{name.split('/')[-1]} {value:.3g}" for name, value in values.items())
            left = (self.images - seen) / rate / 60
            log.info("%d of %d images, %.0f/s, %.1f min left  %s", seen, self.images, rate, max(0, left), shown)
