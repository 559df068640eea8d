"""Lightning's Trainer as every fit here uses it: one epoch of numbered steps, on whatever the machine has."""

import logging
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from pipeline.settings import Settings
from pipeline.training.average import Average
from pipeline.training.devices import Processes, first_goes_on
from pipeline.training.progress import Progress, summary
from pipeline.training.resume import Resume
from pipeline.training.validation import Check, Validation

log = logging.getLogger(__name__)

TERMINATED = 143  # 128 + SIGTERM, so that DVC sees a failure
CHECKPOINT_EVERY = 200  # batches


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
        precision: of the forward passes, as Lightning names it.
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
        record: Callable[[Mapping[str, float], int], None],
        average: Average | None = None,
        check: Check | None = None,
        images_between: int = 1,
    ) -> None:
        self.stage, self.images, self.batch_size, self.precision = stage, images, batch_size, precision
        self.progress = Progress(record, batch_size, images)
        self.stop = max(1, images // batch_size)
        self.resume = Resume(folder, CHECKPOINT_EVERY, self.stop, self.progress, average)
        look = Validation(check, images_between, self.progress, average) if check else None
        # The average is moved, looked at and recorded before the state is written.
        self.callbacks: list[pl.Callback] = [c for c in (average, look, self.progress, self.resume) if c is not None]

    @property
    def last(self) -> dict[str, float]:
        """The last value of each curve."""
        return self.progress.last

    def run(self, module: pl.LightningModule, batches: Shareable) -> None:
        """Fit the module.

        Raises:
            UserError: the batch cannot be split over the processes.
            SystemExit: 143, after SIGTERM; 0, when done, in all processes but the first.
        """
        processes = Processes.read()
        processes.check_split(self.stage, self.batch_size)
        workers = math.ceil(Settings.read().workers / processes.devices)
        start = self.resume.batches_done

        def make(rank: int, world: int) -> DataLoader:
            return _by_step(batches.share(rank, world), start, self.stop, workers)

        trainer = processes.trainer(self.precision, self.callbacks)
        try:
            with self.progress.display:
                trainer.fit(channels_last(module), datamodule=Batches(make))
        except SIGTERMException:
            raise SystemExit(TERMINATED) from None
        first_goes_on()
        log.info("%s", summary(self.progress.points))


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
    return DataLoader(batches, batch_size=None, sampler=range(start, stop), num_workers=ahead)


def channels_last(module: pl.LightningModule) -> pl.LightningModule:
    """Convolution weights as the images lie in memory; bf16 is several times slower otherwise."""
    return module.to(memory_format=torch.channels_last)
