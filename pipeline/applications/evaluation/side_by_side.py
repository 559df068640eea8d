"""Work in numbered parts, by a process for each core: of small networks two threads are hardly faster than one."""

import os
import pickle
from collections.abc import Callable
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset

from pipeline import stopping
from pipeline.errors import UserError
from pipeline.settings import Settings
from pipeline.training.devices import alone, device
from pipeline.training.spread import spread

T = TypeVar("T")


def side_by_side(work: Callable[[int], T], parts: int, copied: bool) -> list[T]:
    """`work(0)`, `work(1)`, … for the first process, which alone returns.

    Each part is computed with one thread, by whomever: copies of this process, one for each core, or the processes of
    the stage where it has several. So no digit depends on how many there are. On an accelerator, and where `work`
    cannot be copied, it is `spread` and no more.

    Args:
        work: any function but one that shares out work itself.
        parts: how many.
        copied: whether `work` may be asked in a copy of this process: it may not where it asks OpenVINO.

    Raises:
        UserError: `work` raised it.
    """
    if not copied or device().type != "cpu":
        return list(spread(work, parts))
    count = min(Settings.read().workers, parts)
    if count > 1 and alone():
        return _by_copies(work, parts, count)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return list(spread(work, parts))
    finally:
        torch.set_num_threads(threads)


def _by_copies(work: Callable[[int], T], parts: int, count: int) -> list[T]:
    cv2.setNumThreads(1)  # threads of a pool are not copied
    order = torch.Generator()  # a loader draws a seed, which should not be torch's next number
    ours = os.getpid()
    # A loader notices when one of its processes dies. They notice when it does, but then wait for it to take results.
    done = DataLoader(
        _Parts(work),
        batch_size=None,
        sampler=range(parts),
        num_workers=count,
        prefetch_factor=1,
        in_order=False,  # who is done takes the next part
        generator=order,
        multiprocessing_context="fork",
        worker_init_fn=lambda _: stopping.leave_with(ours),
    )
    results: dict[int, T] = {}
    for part, handed in done:
        result, error = pickle.loads(handed)  # of our own process
        if error is not None:
            raise error
        results[part] = result
    return [results[part] for part in range(parts)]


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
