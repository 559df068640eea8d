"""What all processes of a fit agree on behind each step: whether to write a checkpoint, and whether to stop."""

import time
from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl

from pipeline import stopping
from pipeline.training.finite import Finite, NotFiniteError
from pipeline.training.ranks import Ranks
from pipeline.training.resume import Resume

SHARE = 20  # at most one part in so many of the time goes into checkpoints


class Ending(pl.Callback):
    """Writes checkpoints, and ends a fit early: told to by a signal, or because another process has died.

    Args:
        resume: writes the state.
        finite: makes sure before that it is a good one.
        every: steps between two checkpoints, at least.
        stop: steps of the whole fit; behind the last one there is a checkpoint too.

    Attributes:
        asked: says which signal came, or 0.
        signal: the one that ended the fit, or 0.
    """

    def __init__(self, resume: Resume, finite: Finite, every: int, stop: int) -> None:
        self.resume, self.finite, self.every, self.stop = resume, finite, every, stop
        self.asked: Callable[[], int] = lambda: 0
        self.signal = 0
        self.ranks: Ranks | None = None
        self.took, self.written = 0.0, float("-inf")  # seconds; when, by the clock

    def setup(self, trainer: pl.Trainer, module: Any, stage: str) -> None:
        # Lightning's own handler makes the fit end with exit code 0, and has the processes talk to each other from
        # within a signal handler; before each step they would exchange, over the GPU, whether it was called.
        trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
        trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.ranks = self.finite.ranks = Ranks()
        self.finite.kept = self.resume.batches_done * self.finite.batch_size

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        assert self.ranks is not None
        done = module.batches_done
        self.signal, due = self.ranks.largest(self.asked(), self._due(done))
        if due or self.signal:
            self.write(trainer, module)
        if self.signal:
            trainer.should_stop = True

    def on_exception(self, trainer: pl.Trainer, module: Any, exception: BaseException) -> None:
        if self.ranks is not None and self.ranks.world > 1 and not isinstance(exception, NotFiniteError):
            stopping.leave_within(stopping.PATIENCE, 1)  # what is still to be done may wait for a dead process for ever

    def _due(self, done: int) -> bool:
        if self.ranks is None or self.ranks.rank:
            return False
        rested = time.monotonic() - self.written >= SHARE * self.took
        return done >= self.stop or (done % self.every == 0 and rested)

    def write(self, trainer: pl.Trainer, module: Any) -> None:
        """A checkpoint, if all is finite; every process has to come here."""
        assert self.ranks is not None
        began = time.monotonic()
        self.finite.look()
        self.finite.look_at_weights(module)
        self.resume.write(module, trainer.optimizers, self.ranks)
        self.finite.kept = module.batches_done * self.finite.batch_size
        self.written = time.monotonic()
        self.took = self.written - began
