"""A fit stops where a term or a weight is no longer a finite number, and names it."""

from collections.abc import Iterable
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from pipeline.errors import UserError
from pipeline.training.ranks import Ranks

NEVER = 2**62  # a step that is not reached


class NotFiniteError(UserError):
    """A term or a weight is NaN or infinite; raised in all processes alike."""


class Finite(pl.Callback):
    """Keeps the first step at which each logged value was not finite, on its device, and looks there now and then.

    Args:
        every: steps between two looks; before a checkpoint is written there is another.
        batch_size: images of a step, over all processes.
    """

    def __init__(self, every: int, batch_size: int) -> None:
        self.every, self.batch_size = every, batch_size
        self.first: dict[tuple[str, ...], Tensor] = {}  # names, which differ from step to step -> steps
        self.kept = 0  # images that the last checkpoint has seen
        self.ranks: Ranks | None = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        names, values = tuple(module.logged), list(module.logged.values())
        steps = torch.where(torch.stack([v.float() for v in values]).isfinite(), NEVER, module.batches_done)
        self.first[names] = torch.minimum(self.first[names], steps) if names in self.first else steps
        if module.batches_done % self.every == 0:
            self.look()

    def look(self) -> None:
        """See whether all were finite since the last look.

        Raises:
            NotFiniteError: one was not, in any of the processes.
        """
        assert self.ranks is not None
        names = [name for names in self.first for name in names]
        steps = [step for steps in self.first.values() for step in steps.tolist()]
        self.first = {}
        earliest = [-step for step in self.ranks.largest(*(-step for step in steps))]
        step, name = min(zip(earliest, names, strict=True), default=(NEVER, ""))
        if step < NEVER:
            raise self._error(name, step, name.split("/")[0])

    def look_at_weights(self, module: Any) -> None:
        """See whether all weights are finite, which are the same in all processes.

        Raises:
            NotFiniteError: one is not.
        """
        if name := first_not_finite(module.named_parameters()):
            raise self._error(name, module.batches_done, next(iter(module.logged)).split("/")[0])

    def _error(self, name: str, step: int, section: str) -> NotFiniteError:
        kept = f"of {self.kept} images is kept" if self.kept else "was not due yet"
        return NotFiniteError(
            f"{name} is not a finite number after step {step} ({step * self.batch_size} images); the last good "
            f"checkpoint {kept}. Lower {section}.learning_rate or {section}.matrix_learning_rate in params.yaml"
        )


def first_not_finite(parameters: Iterable[tuple[str, nn.Parameter]]) -> str:
    """The name of the first parameter that has a NaN or an infinity; empty where none has."""
    named = list(parameters)
    finite = torch.stack([p.isfinite().all() for _, p in named]).tolist()
    return next((name for (name, _), good in zip(named, finite, strict=True) if not good), "")
