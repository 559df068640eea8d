"""Work that every process of a fit would do alike, shared out among them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, distributed

from pipeline.training.gradients import by_itself
from pipeline.training.shared_memory import shared, wait


def shared_out(work: Callable[[Tensor], Tensor], matrices: Sequence[Tensor]) -> list[Tensor]:
    """`work` of each matrix, of its shape and precision: each process does a part; good until the next call."""
    if by_itself() or not matrices:
        return [work(m) for m in matrices]
    sizes, rank = [m.numel() for m in matrices], distributed.get_rank()
    parts = _parts([m.numel() * min(m.shape) for m in matrices], distributed.get_world_size())
    memory = shared(sum(sizes), matrices[0])
    done = matrices[0].new_empty(sum(sizes)) if memory is None else memory
    order = [n for part in parts for n in part]
    places = dict(zip(order, done.split([sizes[n] for n in order]), strict=True))
    if memory is not None:
        wait()  # until nobody reads what lies there
    for n in parts[rank]:
        places[n].copy_(work(matrices[n]).flatten())
    if memory is not None:
        wait()
    else:
        for owner, part in enumerate(done.split([sum(sizes[n] for n in part) for part in parts])):
            if len(part):
                distributed.broadcast(part.view(torch.uint8), owner)
    return [places[n].view_as(m) for n, m in enumerate(matrices)]


def everywhere(fact: bool, device: torch.device) -> bool:
    """Whether it holds in every process."""
    if by_itself():
        return fact
    held = torch.tensor(int(fact), device=device)
    distributed.all_reduce(held, distributed.ReduceOp.MIN)
    return bool(held)


def _parts(costs: Sequence[int], world: int) -> list[list[int]]:
    """Which of the tasks each process does: the dearest first, each to the one that has least to do."""
    parts: list[list[int]] = [[] for _ in range(world)]
    for n in sorted(range(len(costs)), key=lambda n: -costs[n]):
        min(parts, key=lambda part: sum(costs[m] for m in part)).append(n)
    return parts
