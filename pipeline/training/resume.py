"""Continuing after an interruption, exactly: the whole state of a fit, written now and then to the work folder."""

import io
import logging
import os
import pickle
import zipfile
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch

from pipeline.errors import UserError
from pipeline.training.average import Average
from pipeline.training.progress import Progress
from pipeline.training.ranks import Ranks

FILE = "state.ckpt"
log = logging.getLogger(__name__)


class Resume(pl.Callback):
    """Writes the state when it is told to and takes it up again when the fit starts.

    The data order is a function of (seed, step), so the number of batches done is all that a loader needs.

    Args:
        folder: where, named by the fingerprint of all that the fit is made from. Another process's half-written file
            never has the final name.
        progress: written along, so that curves are whole.
        average: written along where there is one.
    """

    def __init__(self, folder: Path, progress: Progress, average: Average | None = None) -> None:
        self.file, self.fingerprint = folder / FILE, folder.name
        self.progress, self.average = progress, average
        self.state: dict[str, Any] | None = None
        self.batches_done = 0

    def read(self, ranks: Ranks) -> None:
        """Take in what an interrupted run left, `batches_done` of it; all processes have to call it.

        Raises:
            UserError: the processes have read different things.
        """
        self.state = self._read()
        self.batches_done = self.state["batches_done"] if self.state else 0
        if len(set(ranks.everyones(self.batches_done))) > 1:
            raise UserError(
                f"{self.file.parent} is not the same on all machines: let FACET_WORK name a folder that they share"
            )

    def _read(self) -> dict[str, Any] | None:
        """What the interrupted run left, plain data and tensors alone: no file can run code here."""
        if not self.file.exists():
            return None
        try:
            with zipfile.ZipFile(self.file) as file:
                damaged = file.testzip()  # torch writes checksums and reads past them
            if damaged:
                raise zipfile.BadZipFile(f"{damaged} has another checksum")
            state = torch.load(self.file, map_location="cpu", weights_only=True)
        except (zipfile.BadZipFile, pickle.UnpicklingError, RuntimeError) as error:
            log.warning("%s cannot be read, so the fit starts afresh: %s", self.file, str(error).splitlines()[0])
            return None
        if state.get("fingerprint") != self.fingerprint:
            log.warning("%s is of other params, data or code, so the fit starts afresh", self.file)
            return None
        return state

    def on_train_start(self, trainer: pl.Trainer, module: Any) -> None:
        self.restore(module, trainer.optimizers, trainer.global_rank)

    def restore(self, module: Any, optimizers: list[torch.optim.Optimizer], rank: int) -> None:
        """Give everything the state that was read."""
        if self.state is None:
            return
        log.info("Going on from %d images", self.batches_done * self.progress.batch_size)
        module.load_state_dict(self.state["module"])
        module.batches_done = self.batches_done
        for optimizer, state in zip(optimizers, self.state["optimizers"], strict=bool(optimizers)):
            optimizer.load_state_dict(state)
        if self.average is not None:
            self.average.load_state_dict(self.state["averages"])
        sums = self.state["sums"]  # of every process; as many as now, if the curves are to be the same
        self.progress.load_state_dict(self.state["progress"] | {"sums": sums[rank % len(sums)]})
        self.state = None

    def write(self, module: Any, optimizers: list[torch.optim.Optimizer], ranks: Ranks) -> None:
        """Replace the file by the state of now; all processes have to call it."""
        progress = self.progress.state_dict()
        sums = ranks.everyones(progress.pop("sums"))
        if ranks.rank:
            return
        state = {
            "fingerprint": self.fingerprint,
            "batches_done": module.batches_done,
            "module": module.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in optimizers],
            "progress": progress,
            "sums": sums,
            "averages": self.average.state_dict() if self.average else {},
        }
        data = io.BytesIO()
        torch.save(state, data)
        part = self.file.with_suffix(".part")
        try:
            with part.open("wb") as file:  # by us: a full disk is an OSError here, and anything in torch.save
                file.write(data.getbuffer())
                file.flush()
                os.fsync(file.fileno())  # the name must not outlive the bytes when the power goes
            os.replace(part, self.file)
        finally:
            part.unlink(missing_ok=True)
