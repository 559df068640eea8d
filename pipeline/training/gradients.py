"""What processes do together: gradients, in one flat sum a network and step, batches that a term needs whole, work."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import torch
from torch import Tensor, distributed, nn

from pipeline.training.shared_sum import all_sum


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes.

    Right where the objective is a mean over samples and every process has the same number of them. One flat
    sum a network, as StyleGAN3 does, rather than DDP's hooks, which cannot follow several objectives.
    """
    if _alone():
        return
    gradients = [as_it_lies(p.grad, p) for p in parameters if p.grad is not None]
    if not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    all_sum(flat)
    flat /= _world()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


def whole_batch(x: Tensor) -> Tensor:
    """This process's part of a batch, [b, ...], => the whole batch, [B, ...], the same in every process.

    The gradient comes back summed over processes. So a term over means of the batch, which every process computes
    alike, has after `average_gradients` the gradient that it has in one process.
    """
    return x if _alone() else _WholeBatch.apply(x)


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


def shared_out(work: Callable[[Tensor], Tensor], matrices: Sequence[Tensor]) -> list[Tensor]:
    """`work` of each matrix, of its shape and precision: each process does a part, all have the whole."""
    if _alone():
        return [work(m) for m in matrices]
    done, shares = list(matrices), _shares([m.numel() * min(m.shape) for m in matrices])
    for n in shares[distributed.get_rank()]:
        done[n] = work(matrices[n])
    for rank, share in enumerate(shares):
        if not share:
            continue
        flat = torch.cat([done[n].flatten() for n in share])
        distributed.broadcast(flat.view(torch.uint8), rank)
        for n, values in zip(share, flat.split([done[n].numel() for n in share]), strict=True):
            done[n] = values.view_as(done[n])
    return done


def _shares(costs: Sequence[int]) -> list[list[int]]:
    """Which of the tasks each process does: the dearest first, each to whom has least."""
    shares: list[list[int]] = [[] for _ in range(_world())]
    for n in sorted(range(len(costs)), key=lambda n: -costs[n]):
        min(shares, key=lambda share: sum(costs[m] for m in share)).append(n)
    return shares


def as_it_lies(x: Tensor, like: Tensor) -> Tensor:
    """Values or gradient of a kernel `like` this, axes in the order in which that lies in memory; outputs first."""
    return x.permute(0, 2, 3, 1) if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last) else x


def _alone() -> bool:
    return not (distributed.is_available() and distributed.is_initialized()) or _world() == 1


def _world() -> int:
    return distributed.get_world_size()
