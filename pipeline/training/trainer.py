"""Lightning's Trainer as every fit here uses it: one epoch of numbered steps, on whatever the machine has."""

import logging
import math
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol, Self

import pytorch_lightning as pl
import torch
from torch.utils.data import DataLoader

from pipeline import stopping
from pipeline.settings import Settings
from pipeline.training.average import Average
from pipeline.training.devices import Processes, first_goes_on
from pipeline.training.ending import Ending
from pipeline.training.failures import explained
from pipeline.training.finite import Finite, NotFiniteError
from pipeline.training.progress import Progress, Record, summary
from pipeline.training.ranks import Ranks
from pipeline.training.resume import Resume
from pipeline.training.validation import Check, Validation

log = logging.getLogger(__name__)


class Shareable(Protocol):
    """A map-style data set whose items are whole batches, by step."""

    def __getitem__(self, step: int) -> Any: ...
    def share(self, rank: int, world: int) -> Self: ...


class Fit:
    """One fit: from wherever its work folder says an earlier try got to, up to `images`.

    Args:
        stage: its name, which its section of params.yaml has too.
        folder: its work folder.
        images: to see in all.
        batch_size: images of a step, over all processes.
        precision: of the forward passes, as params.yaml names it.
        record: called with values and images seen (tracking).
        average: an average to keep, or None.
        check: looks at the networks while they learn, or None.
        images_between: two looks.
    """

    def __init__(
        self,
        stage: str,
        folder: Path,
        images: int,
        batch_size: int,
        precision: str,
        record: Record,
        average: Average | None = None,
        check: Check | None = None,
        images_between: int = 1,
    ) -> None:
        self.stage, self.images, self.batch_size, self.precision = stage, images, batch_size, precision
        self.progress = Progress(record, batch_size, images)
        self.stop = max(1, images // batch_size)
        self.average, self.resume = average, Resume(folder, self.progress, average)
        self.finite = Finite(self.progress.every, batch_size)
        every = max(1, Settings.read().checkpoint_images // batch_size)
        self.ending = Ending(self.resume, self.finite, every, self.stop)
        look = Validation(check, images_between, self.progress, average) if check else None
        # What was learned is averaged, found finite, looked at and recorded before the state is written.
        callbacks = (average, self.resume, self.finite, look, self.progress, self.ending)
        self.callbacks: list[pl.Callback] = [c for c in callbacks if c is not None]

    @property
    def last(self) -> dict[str, float]:
        """The last value of each curve."""
        return self.progress.last

    def run(self, module: pl.LightningModule, batches: Shareable) -> None:
        """Fit the module.

        Raises:
            UserError: the batch cannot be split over the processes; a term is not finite; memory is short; another
                process died.
            SystemExit: 128 + the signal's number, after SIGTERM or SIGINT; 0, when done or stopped, in all processes
                but the first.
        """
        channels_last(module)
        processes = Processes.read()
        processes.check_split(self.stage, self.batch_size)
        # All together, and not before the first has the work folder to itself: then they read the same.
        started = processes.launch()
        self.resume.read(Ranks())
        if self.resume.batches_done >= self.stop:  # the fit was done, and what followed was stopped
            first_goes_on()
            self._restore(module)
        else:
            self._fit(module, batches, processes, started)
        log.info("%s", summary(self.progress.points))

    def _restore(self, module: pl.LightningModule) -> None:
        if self.average is not None:
            self.average.on_train_start(None, module)
        self.resume.restore(module, [], rank=0)

    def _fit(
        self, module: pl.LightningModule, batches: Shareable, processes: Processes, started: list[subprocess.Popen]
    ) -> None:
        workers = math.ceil(Settings.read().workers / processes.devices)
        start = self.resume.batches_done

        def make(rank: int, world: int) -> DataLoader:
            return _by_step(batches.share(rank, world), start, self.stop, workers)

        trainer = processes.trainer(self.precision, self.callbacks)
        with stopping.deferred() as self.ending.asked, self.progress.display:
            try:
                trainer.fit(module, datamodule=Batches(make))
            except NotFiniteError:
                if trainer.is_global_zero:
                    raise
                raise SystemExit(0) from None  # the first process alone speaks for all
            except stopping.Stopped:
                pass  # before the first step
            except Exception as error:
                sentence = explained(error, trainer.world_size, started, self.stage, self.batch_size)
                if sentence is None:
                    raise
                raise sentence from None
            number = self.ending.signal or self.ending.asked()
        first_goes_on()  # and has an exit code to give
        if number:
            name, seen = signal.Signals(number).name, self.finite.kept
            log.info("%s: stopped after %d of %d images; the same command goes on from there", name, seen, self.images)
            raise SystemExit(128 + number)


class Batches(pl.LightningDataModule):
    """Makes the loader once the process knows its place among the others."""

    def __init__(self, make: Callable[[int, int], DataLoader]) -> None:
        super().__init__()
        self.make = make  # rank, world -> loader

    def train_dataloader(self) -> DataLoader:
        assert self.trainer is not None
        return self.make(self.trainer.global_rank, self.trainer.world_size)


def _by_step(batches: Any, start: int, stop: int, workers: int) -> DataLoader:
    """Hands out `batches[start]` … `batches[stop - 1]`, made ahead where a GPU waits for them.

    On a CPU, processes that make batches would only take turns with the one that uses them.
    """
    ahead = workers if torch.cuda.is_available() else 0
    pinned = torch.cuda.is_available()
    return DataLoader(batches, batch_size=None, sampler=range(start, stop), num_workers=ahead, pin_memory=pinned)


def channels_last(module: pl.LightningModule) -> pl.LightningModule:
    """Convolution weights as the images lie in memory; bf16 is several times slower otherwise."""
    return module.to(memory_format=torch.channels_last)
