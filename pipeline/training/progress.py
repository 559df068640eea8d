"""Where a fit stands: means of what the module logs, for the curves, on a bar and as lines a log file can hold."""

import logging
import time
from collections.abc import Mapping
from contextlib import ExitStack
from typing import Any, Protocol

import pytorch_lightning as pl
import torch
from torch import Tensor

from pipeline.terminal import bar

log = logging.getLogger(__name__)

# Of all that is logged, what a person watches, in this order: does it reconstruct, does it swap, does z stay small.
WATCHED = ("L_GR_same", "L_GR_cross", "L_G_x", "L_GC", "L_KL", "loss", "top1", "own_subject", "own_sample", "psnr")
BAR = "{percentage:3.0f}% {bar:8} {n_fmt}/{total_fmt}, {rate_noinv_fmt}, {remaining} left{postfix}"


class Record(Protocol):
    """Takes values and the number of images seen; `again` where an interrupted fit had handed them on already."""

    def __call__(self, values: Mapping[str, float], images: int, again: bool = False) -> None: ...


class Progress(pl.Callback):
    """Every so many batches, hands the mean of each value on with the number of images seen, and shows some.

    A module leaves in `logged` what it has to say of its last step: name -> scalar.

    Args:
        record: called with values and images seen (tracking).
        batch_size: images of a step, over all processes.
        images: images of the whole fit.
        points: about how many points a curve gets.
    """

    def __init__(
        self,
        record: Record,
        batch_size: int,
        images: int,
        points: int = 60,
    ) -> None:
        self.record, self.batch_size, self.images = record, batch_size, images
        self.every = max(1, images // batch_size // points)
        self.points: list[tuple[int, dict[str, float]]] = []
        self.sums: dict[str, Tensor] = {}
        self.counts: dict[str, int] = {}
        self.batches = 0
        self.shown = (0, 0.0)  # images seen and the clock when it was last said how fast it goes
        self.display = ExitStack()  # around the fit: closes the bar, however the fit ends
        self.bar: Any = None

    def state_dict(self) -> dict[str, Any]:
        """All of it but the clock, as plain data and tensors."""
        sums = {name: total.cpu() for name, total in self.sums.items()}
        return {"points": self.points, "sums": sums, "counts": self.counts, "batches": self.batches}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken; what was recorded until then is handed on again, marked as such."""
        self.points, self.sums = [(images, values) for images, values in state["points"]], state["sums"]
        self.counts, self.batches = state["counts"], state["batches"]
        for images, values in self.points:
            self.record(values, images, again=True)

    def add(self, values: dict[str, float], images: int) -> None:
        """A point of other curves, measured at so many images seen."""
        self.points.append((images, values))
        self.record(values, images)

    @property
    def last(self) -> dict[str, float]:
        """The last value of each curve."""
        return {name: value for _, values in self.points for name, value in values.items()}

    def on_train_batch_start(self, trainer: pl.Trainer, module: Any, batch: Any, batch_idx: int) -> None:
        if batch_idx == 0 and trainer.is_global_zero:  # not before: now it is known how much was taken up again
            seen = module.batches_done * self.batch_size
            self.shown = seen, time.monotonic()
            self.bar = self.display.enter_context(bar("images", self.images, seen, BAR))

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        for name, value in module.logged.items():
            self.sums[name] = self.sums[name] + value if name in self.sums else value
            self.counts[name] = self.counts.get(name, 0) + 1
        self.batches += 1
        if self.bar is not None:
            self.bar.update(self.batch_size)
        if self.batches < self.every and module.batches_done * self.batch_size + self.batch_size <= self.images:
            return
        means = torch.stack([total.float() / self.counts[name] for name, total in self.sums.items()])
        means = trainer.strategy.reduce(means, reduce_op="mean")
        values = dict(zip(self.sums, means.tolist(), strict=True))
        self.sums, self.counts, self.batches = {}, {}, 0
        if trainer.is_global_zero:
            seen = module.batches_done * self.batch_size
            self.add(values, seen)
            self._show(seen, values)

    def _show(self, seen: int, values: Mapping[str, float]) -> None:
        if self.bar is not None:
            self.bar.set_postfix_str(watched(self.last))
            return
        (seen_then, then), now = self.shown, time.monotonic()
        rate = (seen - seen_then) / (now - then)
        left = max(0, self.images - seen) / rate / 60
        log.info("%d of %d images, %.0f/s, %.1f min left  %s", seen, self.images, rate, left, watched(values))
        self.shown = seen, now


def watched(values: Mapping[str, float]) -> str:
    """What a person watches of these, in a line."""
    short = {name.split("/")[-1]: value for name, value in values.items()}
    return "  ".join(f"{name} {short[name]:.3g}" for name in WATCHED if name in short)


def summary(points: list[tuple[int, dict[str, float]]]) -> str:
    """A table of plain text: the first and the last value of each curve, and after how many images."""
    curves: dict[str, list[tuple[int, float]]] = {}
    for images, values in points:
        for name, value in values.items():
            curves.setdefault(name, []).append((images, value))
    width = max(map(len, curves), default=0)
    lines = [f"{'':{width}}  {'first':>10}  {'last':>10}  {'images':>10}"]
    for name in sorted(curves):
        (_, first), (images, last) = curves[name][0], curves[name][-1]
        lines.append(f"{name:{width}}  {first:>10.4g}  {last:>10.4g}  {images:>10}")
    return "\n".join(lines)
