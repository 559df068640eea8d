"""Errors of a fit that a person can do something about, as a sentence."""

import signal
import subprocess
import time
from collections.abc import Sequence

import torch

from pipeline.errors import UserError

DYING_SECONDS = 2


def explained(
    error: BaseException, world: int, processes: Sequence[subprocess.Popen], section: str, batch_size: int
) -> UserError | None:
    """A sentence for what cannot be told from its error: no memory, or another process that died.

    Args:
        error: what a fit raised.
        world: processes that share the fit.
        processes: those that this one started.
        section: of params.yaml that the fit belongs to.
        batch_size: images of a step.
    """
    lower = f"lower {section}.batch_size (now {batch_size}) in params.yaml"
    if _of_memory(error):
        width = "judge.width" if section == "judge" else "model.width"
        return UserError(f"{section}: out of memory: {lower}, or {width}, or use more GPUs (FACET_DEVICES)")
    if world > 1 and isinstance(error, RuntimeError) and _of_a_connection(error):
        dead = [f"process {rank} of {world} died{_how(code)}" for rank, code in enumerate(_ends(processes), 1) if code]
        what = "; ".join(dead) or f"another of the {world} processes died"
        back = "run the command again and it goes on from its last checkpoint"
        return UserError(f"{section}: {what}; {back}; if memory was short, {lower}")
    return None


def _of_memory(error: BaseException) -> bool:
    """Whether memory was short: on a GPU, in Python, or in torch's C++, which raises plain RuntimeErrors."""
    said = ("can't allocate memory", "bad_alloc", "out of memory", "ALLOC_FAILED")  # CUDA's and its libraries' too
    return isinstance(error, MemoryError | torch.OutOfMemoryError) or any(words in str(error) for words in said)


def _of_a_connection(error: RuntimeError) -> bool:
    """Whether it is of the libraries by which processes exchange tensors; gloo raises plain RuntimeErrors."""
    return isinstance(error, torch.distributed.DistError) or any(name in str(error) for name in ("gloo", "NCCL"))


def _ends(processes: Sequence[subprocess.Popen]) -> list[int | None]:
    """Exit codes; the system closes a dying process's connections somewhat before it says that it is dead."""
    patience = time.monotonic() + DYING_SECONDS
    while not any(ends := [process.poll() for process in processes]) and time.monotonic() < patience and processes:
        time.sleep(0.05)
    return ends


def _how(code: int) -> str:
    return f" ({signal.Signals(-code).name})" if code < 0 else f" (exit code {code})"
