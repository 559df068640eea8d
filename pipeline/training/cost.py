"""What a training takes: parameters, operations, memory and time, counted or measured on real steps of it."""

import resource
import statistics
import sys
import time
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.utils.flop_counter import FlopCounterMode

COUNTED = 2  # steps, one of each kind
WARM_UP = 4
TIMED = 12
STEPS = COUNTED + WARM_UP + TIMED


class Memory(NamedTuple):
    """Bytes of what stays between steps, and of the most that was in use at once."""

    parameters: int
    gradients: int
    optimizers: int
    averages: int
    peak: int  # of the GPU's memory, or of the process


class Measure(pl.Callback):
    """Counts and times steps; even ones of one person, odd ones of two.

    Args:
        averages: of networks, as they are kept beside them.
    """

    def __init__(self, averages: Mapping[str, nn.Module]) -> None:
        self.averages = averages
        self.flops: dict[bool, int] = {}  # same -> floating-point operations of a step
        self.seconds: dict[bool, list[float]] = {True: [], False: []}
        self.memory: Memory | None = None
        self.counter: FlopCounterMode | None = None
        self.began = 0.0

    def on_train_batch_start(self, trainer: pl.Trainer, module: pl.LightningModule, batch: Any, batch_idx: int) -> None:
        if batch_idx < COUNTED:
            self.counter = FlopCounterMode(display=False)
            self.counter.__enter__()
        wait_for(module.device)
        self.began = time.perf_counter()

    def on_train_batch_end(
        self, trainer: pl.Trainer, module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        wait_for(module.device)
        took = time.perf_counter() - self.began
        if self.counter is not None:
            self.counter.__exit__(None, None, None)
            self.flops[batch.same] = self.counter.get_total_flops()
            self.counter = None
        elif batch_idx >= COUNTED + WARM_UP:
            self.seconds[batch.same].append(took)

    def on_train_end(self, trainer: pl.Trainer, module: pl.LightningModule) -> None:
        learning = [p for p in module.parameters() if p.requires_grad]
        self.memory = Memory(
            parameters=size(module.parameters()),
            gradients=size(learning),
            optimizers=sum(state_size(optimizer) for optimizer in trainer.optimizers),
            averages=sum(size(network.parameters()) for network in self.averages.values()),
            peak=peak(module.device),
        )


def parameters(network: nn.Module) -> tuple[int, int]:
    """How many numbers a network has, and how many of them learn."""
    counts = [(p.numel(), p.requires_grad) for p in network.parameters()]
    return sum(n for n, _ in counts), sum(n for n, learns in counts if learns)


def size(tensors: Iterable[Tensor]) -> int:
    """Bytes."""
    return sum(t.numel() * t.element_size() for t in tensors)


def state_size(optimizer: Optimizer) -> int:
    """Bytes that an optimizer keeps beside the weights."""
    return size(v for state in optimizer.state.values() for v in state.values() if isinstance(v, Tensor))


def of_a_step(same: float, cross: float, cross_every: int) -> float:
    """The mean over steps, of which one in `cross_every` is of two people."""
    return same + (cross - same) / cross_every


def seconds_of_a_step(measured: Mapping[bool, list[float]], cross_every: int) -> float:
    """The mean over steps; medians of each kind, so that a hiccup of the machine does not count."""
    return of_a_step(statistics.median(measured[True]), statistics.median(measured[False]), cross_every)


def peak(device: torch.device) -> int:
    """The most bytes that were in use at once: of a GPU's memory by torch, else of memory by this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit


def wait_for(device: torch.device) -> None:
    """Until a GPU has done all that it was asked for."""
    if device.type == "cuda":
        torch.cuda.synchronize(device)
