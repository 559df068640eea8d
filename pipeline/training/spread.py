"""Work in numbered parts, shared by all processes of a stage: what needs no gradient."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import numpy as np
from torch import distributed

from pipeline.errors import UserError
from pipeline.training.devices import Processes, alone, first_goes_on

CHUNK = 64  # images of a part: always computed in the same batch, they come out the same
T = TypeVar("T")
Items = TypeVar("Items", np.ndarray, Sequence[Any])


def chunks(items: Items) -> list[Items]:
    """Rows or pairs in parts of CHUNK, the last one as short as it is."""
    return [items[start : start + CHUNK] for start in range(0, len(items), CHUNK)]


def spread(work: Callable[[int], T], parts: int) -> Iterator[T]:
    """`work(0)`, `work(1)`, … in order, for the first process, which alone returns; part i is process i % world's.

    A part is the same whoever does it, and nothing is padded, so the results do not depend on the number of processes.
    They come as they are asked for. Where the processes have shared a fit or work before, the others have left, and
    the first does all parts.

    Raises:
        UserError: `work` raised it, in any of the processes, or one of them died.
        SystemExit: in the others: 0 when theirs is done, 1 when the first has failed and said why.
    """
    if alone():
        return map(work, range(parts))
    Processes.read().launch()
    group = distributed.new_group(backend="gloo")  # results are in the CPU's memory, also where GPUs made them
    rank, world = distributed.get_rank(), distributed.get_world_size()
    if rank == 0:
        return _collected(work, parts, world, group)
    for part in range(rank, parts, world):
        handed: list[T | UserError | None]
        try:
            handed = [work(part), None]
        except UserError as error:
            handed = [None, error]
        with _while_the_first_is_there():
            distributed.send_object_list(handed, dst=0, group=group)  # waits until it is taken
    with _while_the_first_is_there():
        distributed.barrier(group)
    first_goes_on()
    raise AssertionError("unreachable: only the first process goes on")


@contextmanager
def _while_the_first_is_there() -> Iterator[None]:
    try:
        yield
    except RuntimeError:  # torch's, when the other end of a connection is gone
        raise SystemExit(1) from None


def _collected(work: Callable[[int], T], parts: int, world: int, group: distributed.ProcessGroup | None) -> Iterator[T]:
    for part in range(parts):
        if part % world == 0:
            yield work(part)
            continue
        handed: list[Any] = [None, None]
        try:
            distributed.recv_object_list(handed, src=part % world, group=group)
        except RuntimeError:  # torch's, when the other end of a connection is gone
            raise UserError(
                f"process {part % world} of {world} died: run the command again; if memory was short, with fewer "
                "processes (FACET_DEVICES)"
            ) from None
        result, error = handed
        if error is not None:
            raise error
        yield result
    distributed.barrier(group)
    first_goes_on()
