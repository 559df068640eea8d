"""What the processes of a fit tell each other beside gradients: over the CPU, so that no GPU is waited for."""

from typing import Any

import torch
from torch import distributed


class Ranks:
    """The processes that share a fit; one process alone answers itself. Made in all of them at once."""

    def __init__(self) -> None:
        several = distributed.is_available() and distributed.is_initialized() and distributed.get_world_size() > 1
        self.world = distributed.get_world_size() if several else 1
        self.rank = distributed.get_rank() if several else 0
        self.group = distributed.new_group(backend="gloo") if several else None

    def largest(self, *numbers: int) -> list[int]:
        """Of each number the largest that any process has."""
        if self.group is None:
            return list(numbers)
        found = torch.tensor(numbers)
        distributed.all_reduce(found, distributed.ReduceOp.MAX, group=self.group)
        return [int(number) for number in found]

    def everyones(self, value: Any) -> list[Any]:
        """What each process has, in their order."""
        if self.group is None:
            return [value]
        found: list[Any] = [None] * self.world
        distributed.all_gather_object(found, value, group=self.group)
        return found
