"""What the C library does with memory that is freed."""

import ctypes
import sys

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
