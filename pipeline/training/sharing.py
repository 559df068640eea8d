"""Work that every process of a fit would do alike, shared out among them."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, distributed

from pipeline.training.gradients import by_itself


def shared_out(work: Callable[[Tensor], Tensor], matrices: Sequence[Tensor]) -> list[Tensor]:
    """`work` of each matrix, of its shape and precision: each process does a part, all have the whole."""
    if by_itself():
        return [work(m) for m in matrices]
    world, rank = distributed.get_world_size(), distributed.get_rank()
    done, parts = list(matrices), _parts([m.numel() * min(m.shape) for m in matrices], world)
    for n in parts[rank]:
        done[n] = work(matrices[n])
    for owner, part in enumerate(parts):
        if not part:
            continue
        flat = torch.cat([done[n].flatten() for n in part])
        distributed.broadcast(flat.view(torch.uint8), owner)
        for n, values in zip(part, flat.split([done[n].numel() for n in part]), strict=True):
            done[n] = values.view_as(done[n])
    return done


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
