"""Work in numbered parts, by a process for each core: of small networks two threads are hardly faster than one."""

import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from pipeline.errors import UserError
from pipeline.settings import Settings
from pipeline.training.devices import alone, device

T = TypeVar("T")


def side_by_side(work: Callable[[int], T], parts: int) -> list[T]:
    """`work(0)`, `work(1)`, … of a process that is alone; on an accelerator one after the other.

    The processes are copies of this one, so `work` may be any function but one that asks OpenVINO, whose threads are
    not copied, or that shares out work itself. Each computes with one thread, and so does this one where it works
    alone: no digit depends on the number of cores.

    Raises:
        UserError: `work` raised it.
    """
    if device().type != "cpu":
        return [work(part) for part in range(parts)]
    count = min(Settings.read().workers, parts) if alone() else 1
    if count < 2:
        return _one_after_the_other(work, parts)
    cv2.setNumThreads(1)  # threads of a pool are not copied either
    order = torch.Generator()  # a loader draws a seed, which should not be torch's next number
    # A loader notices when one of its processes dies, and they when this one does.
    done = DataLoader(
        _Parts(work),
        batch_size=None,
        sampler=range(parts),
        num_workers=count,
        prefetch_factor=1,
        in_order=False,  # who is done takes the next part
        generator=order,
        multiprocessing_context="fork",
    )
    results: dict[int, T] = {}
    for part, handed in done:
        result, error = pickle.loads(handed)  # of our own process
        if error is not None:
            raise error
        results[part] = result
    return [results[part] for part in range(parts)]


def _one_after_the_other(work: Callable[[int], T], parts: int) -> list[T]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return [work(part) for part in range(parts)]
    finally:
        torch.set_num_threads(threads)


class _Parts(Dataset[tuple[int, bytes]]):
    """Number and result of each part, as bytes: tensors would stay in shared memory, which containers lack."""

    def __init__(self, work: Callable[[int], Any]) -> None:
        self.work = work

    def __getitem__(self, part: int) -> tuple[int, bytes]:
        handed: tuple[Any, UserError | None]
        try:
            handed = self.work(part), None
        except UserError as error:
            handed = None, error
        return part, pickle.dumps(handed)
