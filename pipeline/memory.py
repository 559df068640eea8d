"""What the C library and Python do with memory that is freed, or might be."""

import ctypes
import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_MAX, _ARENA_MAX = -1, -4, -8  # of mallopt, in glibc's malloc.h


def keep_memory() -> None:
    """Let glibc keep freed memory: activations and photographs are freed and needed again many times a second.

    Returning them to the system each time costs up to half of a training step on two cores, and half of the time of a
    worker that prepares photographs. One arena for all threads: others would return theirs all the same. Other C
    libraries do not know the call and are left alone.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt is not None:
        mallopt(_TRIM_THRESHOLD, 2**31 - 1)
        mallopt(_MMAP_MAX, 0)
        mallopt(_ARENA_MAX, 1)


@contextmanager
def importing() -> Iterator[None]:
    """Look for no garbage while modules are imported: a tenth of the seconds that takes, and they stay for good."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()  # and later looks pass them by
