"""Lightning's Trainer as every fit here uses it: one epoch of numbered steps, on whatever the machine has."""

import logging
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Protocol, Self

import pytorch_lightning as pl
import torch
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.utilities.exceptions import SIGTERMException
from torch.utils.data import DataLoader

from pipeline.errors import UserError
from pipeline.settings import Settings
from pipeline.training.average import Average
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


class ObjectivesStrategy(DDPStrategy):
    """Data parallelism for several objectives: equal weights at the start; the methods average gradients themselves.

    DDP's wrapper expects one backward pass that reaches every parameter, which no method here has.
    """

    def configure_ddp(self) -> None:
        assert self.model is not None
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            torch.distributed.broadcast(tensor.data, src=0)


class Fit:
    """One fit: from wherever its work folder says an earlier try got to, up to `images`.

    Args:
        folder: the stage's work folder.
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
        folder: Path,
        images: int,
        batch_size: int,
        precision: str,
        record: Callable[[Mapping[str, float], int], None],
        average: Average | None = None,
        check: Check | None = None,
        images_between: int = 1,
    ) -> None:
        self.images, self.batch_size, self.precision = images, batch_size, precision
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
        settings = Settings.read()
        start = self.resume.batches_done

        def make(rank: int, world: int) -> DataLoader:
            return _by_step(batches.share(rank, world), start, self.stop, settings.workers)

        trainer = lightning(settings, self.batch_size, self.precision, self.callbacks)
        try:
            with self.progress.display:
                trainer.fit(channels_last(module), datamodule=Batches(make))
        except SIGTERMException:
            raise SystemExit(TERMINATED) from None
        if not trainer.is_global_zero:
            raise SystemExit(0)  # the first process alone scores and publishes
        log.info("%s", summary(self.progress.points))


def lightning(settings: Settings, batch_size: int, precision: str, callbacks: list[pl.Callback]) -> pl.Trainer:
    """A Trainer for one pass over numbered steps, on the devices that the machine or the settings name.

    Raises:
        UserError: there are fewer GPUs, or the batch cannot be split over the processes.
    """
    gpus = torch.cuda.device_count()
    devices = settings.devices or max(1, gpus)
    world = devices * settings.nodes
    if gpus and devices > gpus:
        raise UserError(f"FACET_DEVICES is {devices}, but there are {gpus} GPUs: set it to at most {gpus}")
    if batch_size % world:
        raise UserError(
            f"batch_size {batch_size} cannot be split over {world} processes: change it in params.yaml, "
            "or FACET_DEVICES and FACET_NODES"
        )
    _quiet()
    return pl.Trainer(
        accelerator="gpu" if gpus else "cpu",
        devices=devices,
        num_nodes=settings.nodes,
        strategy=ObjectivesStrategy() if world > 1 else "auto",
        precision=precision,  # type: ignore[arg-type]  # Lightning's Literal; ours is a part of it
        max_epochs=1,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=callbacks,
    )


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


def _quiet() -> None:
    """Silence advice that does not apply here."""
    for advice in (".*does not have many workers.*", ".*GPU available.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", advice)
    logging.getLogger("pytorch_lightning.utilities.rank_zero").setLevel(logging.WARNING)
