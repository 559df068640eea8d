"""Where a stage runs: its processes, a GPU each where there are some, on one machine or several.

Every process runs the same command. Lightning starts those of a machine, or finds them started by torchrun or SLURM
(launching.py, which takes seconds to import, and is left alone by a process that fits nothing and shares nothing).
They share a fit (trainer.py) or other work (spread.py) once; then the first goes on alone.
"""

import os
import subprocess
from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple, Self, cast

import torch
from torch import distributed

from pipeline.errors import UserError
from pipeline.settings import Settings, launched, local_rank
from pipeline.training import shared_memory

if TYPE_CHECKING:
    import pytorch_lightning as pl

Arithmetic = Literal["32-true", "bf16-mixed"]  # as Lightning names it
BF16 = ("avx512_bf16", "amx_bf16", "bf16")  # what processors say that have it; others emulate it, at a tenth of float32

_THREADS = torch.get_num_threads()  # of a process that is alone on its machine
_left = False  # whether the other processes have left this one


class Processes(NamedTuple):
    """Those that share a stage."""

    accelerator: Literal["gpu", "cpu"]
    devices: int  # of a machine
    nodes: int  # machines

    @classmethod
    def read(cls) -> Self:
        """As the environment says: all GPUs of this machine if it says nothing, or one process on the CPU.

        Raises:
            UserError: there are fewer GPUs, or nothing says where the other machines are.
        """
        settings, gpus = Settings.read(), torch.cuda.device_count()
        devices = settings.devices or max(1, gpus)
        if gpus and devices > gpus:
            raise UserError(
                f"{devices} processes of this machine want a GPU each and see {gpus}: set FACET_DEVICES (or what "
                f"torchrun or SLURM start) to at most {gpus}, or let every process see all GPUs"
            )
        if settings.nodes > 1 and launched() is None and not os.environ.get("MASTER_ADDR"):
            raise UserError(
                f"FACET_NODES is {settings.nodes}: set MASTER_ADDR, MASTER_PORT and NODE_RANK on every machine, "
                "or start the stage with torchrun or srun, which do so"
            )
        return cls("gpu" if gpus else "cpu", devices, settings.nodes)

    @property
    def world(self) -> int:
        """How many there are."""
        return self.devices * self.nodes

    def check_split(self, section: str, batch_size: int) -> None:
        """See that each gets as much of a batch.

        Args:
            section: of params.yaml, which names the size.
            batch_size: images of a step, over all processes.

        Raises:
            UserError: it cannot be.
        """
        if batch_size % self.world:
            raise UserError(
                f"{section}.batch_size {batch_size} cannot be split over {self.world} processes: change it in "
                "params.yaml, or FACET_DEVICES and FACET_NODES"
            )

    def trainer(self, precision: str, callbacks: Sequence["pl.Callback"]) -> "pl.Trainer":
        """Lightning's Trainer of one epoch over them, which writes nothing by itself."""
        from pipeline.training import launching

        return launching.trainer(self, arithmetic(precision), callbacks)

    def launch(self) -> list[subprocess.Popen]:
        """Start those that are missing and connect all; gives those that this one has started."""
        if self.world == 1:
            return []
        from pipeline.training import launching

        return launching.launch(self)


def arithmetic(precision: str) -> Arithmetic:
    """What a precision means here: `auto` is bf16 where the GPU or the processor has it, else float32.

    A machine without it needs minutes more; one that emulates it, hours.
    """
    if precision != "auto":
        return cast(Arithmetic, precision)
    return "bf16-mixed" if has_bf16(torch.cuda.is_available()) else "32-true"


def has_bf16(on_gpu: bool) -> bool:
    """Whether the GPU, or the processor, computes in bf16 and does not emulate it."""
    if on_gpu:
        return torch.cuda.is_bf16_supported(including_emulation=False)
    return any(torch.cpu.get_capabilities().get(name) for name in BF16)


def first_goes_on() -> None:
    """All processes but the first leave, with exit code 0: the first alone scores and writes, on all cores.

    Raises:
        SystemExit: in the others.
    """
    global _left
    if not (distributed.is_available() and distributed.is_initialized()):
        return
    rank = distributed.get_rank()
    shared_memory.release()
    distributed.destroy_process_group()  # or metrics of the first would wait for the others
    if rank:
        raise SystemExit(0)
    torch.set_num_threads(_THREADS)  # Lightning had divided the cores; and figures should not depend on that
    _left = True


def alone() -> bool:
    """Whether nobody shares this process's work: there is one process, or the others have left."""
    return _left or Processes.read().world == 1


def device() -> torch.device:
    """This process's accelerator, where torch knows one and it is there; else the CPU."""
    found = torch.accelerator.current_accelerator(check_available=True)
    if found is None:
        return torch.device("cpu")
    return torch.device(found.type, local_rank()) if found.type == "cuda" else found
