"""Sums over processes: gradients, in one flat sum a network and step, and batches that a term needs whole."""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, distributed, nn

from pipeline.training.shared_memory import shared, wait


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes.

    Right where the objective is a mean over samples and every process has the same number of them. One flat
    sum a network, as StyleGAN3 does, rather than DDP's hooks, which cannot follow several objectives.
    """
    if by_itself():
        return
    gradients = [as_it_lies(p.grad, p) for p in parameters if p.grad is not None]
    if not gradients:
        return
    means = _means([g.flatten() for g in gradients])
    for gradient, mean in zip(gradients, means.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def _means(parts: list[Tensor]) -> Tensor:
    """Over all processes, of parts that lie one behind the other: the same bits in each, good until the next call."""
    rank, world, size = distributed.get_rank(), _world(), sum(map(len, parts))
    memory = shared((world + 1) * size, parts[0])
    if memory is None:
        flat = torch.cat(parts)
        distributed.all_reduce(flat)
        return flat.div_(world)
    rows = memory.view(world + 1, size)  # one of each process, and the means
    torch.cat(parts, out=rows[rank])
    wait()
    mine = rows[:, rank * size // world : (rank + 1) * size // world]
    torch.mean(mine[:-1], dim=0, out=mine[-1])
    wait()  # nobody writes means again before all have read these and come back to the wait above
    return rows[-1]


def whole_batch(x: Tensor) -> Tensor:
    """This process's part of a batch, [b, ...], => the whole batch, [B, ...], the same in every process.

    The gradient comes back summed over processes. So a term over means of the batch, which every process computes
    alike, has after `average_gradients` the gradient that it has in one process.
    """
    return x if by_itself() else _WholeBatch.apply(x)


class _WholeBatch(torch.autograd.Function):
    """torch's own differentiable collectives are deprecated in one version and private in the next."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        parts = [torch.empty_like(x, memory_format=torch.contiguous_format) for _ in range(_world())]
        distributed.all_gather(parts, x.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        total = gradient.contiguous().clone()
        distributed.all_reduce(total)
        return total.chunk(_world())[distributed.get_rank()]


def as_it_lies(x: Tensor, like: Tensor) -> Tensor:
    """Values or gradient of a kernel `like` this, axes in the order in which that lies in memory; outputs first."""
    return x.permute(0, 2, 3, 1) if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last) else x


def by_itself() -> bool:
    """Whether no other process shares the fit."""
    return not (distributed.is_available() and distributed.is_initialized()) or _world() == 1


def _world() -> int:
    return distributed.get_world_size()
