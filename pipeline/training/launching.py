"""Lightning over the processes of a stage: the Trainer of its fit, or their start alone (devices.py)."""

import logging
import subprocess
import warnings
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from lightning_fabric import Fabric
from pytorch_lightning.plugins.environments import (
    ClusterEnvironment,
    LightningEnvironment,
    SLURMEnvironment,
    TorchElasticEnvironment,
)
from pytorch_lightning.strategies import DDPStrategy
from torch import distributed

from pipeline.settings import launched
from pipeline.training.devices import Arithmetic, Processes


class ObjectivesStrategy(DDPStrategy):
    """Data parallelism for several objectives: equal weights at the start; the methods average gradients themselves.

    DDP's wrapper expects one backward pass that reaches every parameter, which no method here has.
    """

    def configure_ddp(self) -> None:
        assert self.model is not None
        for tensor in (*self.model.parameters(), *self.model.buffers()):
            distributed.broadcast(tensor.data, src=0)


def trainer(processes: Processes, precision: Arithmetic, callbacks: Sequence[pl.Callback]) -> pl.Trainer:
    """Lightning's Trainer of one epoch over them, which writes nothing by itself."""
    _quiet()
    return pl.Trainer(
        **_arguments(processes),
        strategy=ObjectivesStrategy() if processes.world > 1 else "auto",
        precision=precision,
        max_epochs=1,
        use_distributed_sampler=False,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )


def launch(processes: Processes) -> list[subprocess.Popen]:
    """Start those that are missing and connect all; gives those that this one has started."""
    _quiet()
    fabric = Fabric(**_arguments(processes), strategy="ddp")
    fabric.launch()
    return getattr(fabric.strategy.launcher, "procs", [])


def _arguments(processes: Processes) -> dict[str, Any]:
    """What Trainer and Fabric call the same."""
    started = launched()
    environment: ClusterEnvironment = LightningEnvironment()
    if started:  # not left to Lightning, which takes any SLURM job of one task for one whose tasks SLURM starts
        environment = TorchElasticEnvironment() if started.by == "torchrun" else SLURMEnvironment(False)
    counts = {"devices": processes.devices, "num_nodes": processes.nodes}
    return {"accelerator": processes.accelerator, "plugins": [environment], **counts}


def _quiet() -> None:
    """Silence advice that does not apply here."""
    for advice in (".*does not have many workers.*", ".*GPU available.*", ".*LeafSpec.*"):
        warnings.filterwarnings("ignore", advice)
    for name in ("pytorch_lightning.utilities.rank_zero", "lightning_fabric.utilities"):
        logging.getLogger(name).setLevel(logging.WARNING)
