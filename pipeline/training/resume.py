"""Continuing after an interruption, exactly: the whole state of a fit, written now and then to the work folder."""

import io
import os
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from pipeline.training.average import Average
from pipeline.training.progress import Progress

FILE = "state.ckpt"


class Resume(pl.Callback):
    """Writes the state every `every` batches and takes it up again when the fit starts.

    The data order is a function of (seed, step), so the number of batches done is all that a loader needs.

    Args:
        folder: where; another process's half-written file never has the final name.
        every: batches between two writes.
        stop: batches of the whole fit, after which there is nothing to take up.
        progress: written along, so that curves are whole.
        average: written along where there is one.
    """

    def __init__(self, folder: Path, every: int, stop: int, progress: Progress, average: Average | None = None) -> None:
        self.file, self.every, self.stop = folder / FILE, every, stop
        self.progress, self.average = progress, average
        self.state: dict[str, Any] | None = None
        if self.file.exists():
            self.state = torch.load(self.file, map_location="cpu", weights_only=True)

    @property
    def batches_done(self) -> int:
        """Batches that the interrupted run had finished when it last wrote; 0 without one."""
        return self.state["batches_done"] if self.state else 0

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        if self.state is None:
            return
        module.load_state_dict(self.state["module"])
        module.batches_done = self.batches_done
        for optimizer, state in zip(trainer.optimizers, self.state["optimizers"], strict=True):
            optimizer.load_state_dict(state)
        if self.average is not None:
            for name, network in self.average.averages.items():
                network.load_state_dict(self.state["averages"][name])
        self.progress.load_state_dict(self.state["progress"])
        self.state = None

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        done = module.batches_done
        if done % self.every or done >= self.stop or not trainer.is_global_zero:
            return
        averages = self.average.averages if self.average else {}
        state = {
            "batches_done": done,
            "module": module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in trainer.optimizers],
            "progress": self.progress.state_dict(),
            "averages": {name: network.state_dict() for name, network in averages.items()},
        }
        data = io.BytesIO()
        torch.save(state, data)
        part = self.file.with_suffix(".part")
        part.write_bytes(data.getbuffer())  # by us: a full disk is an OSError here, and anything in torch.save
        os.replace(part, self.file)
