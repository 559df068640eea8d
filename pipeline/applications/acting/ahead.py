"""Steps of a chain at the same time: an iterator that is worked off by a thread of its own, a little ahead.

Decoders, detectors, networks and encoders work outside Python's lock, so threads are enough for all cores.
"""

import threading
from collections.abc import Generator, Iterator
from contextlib import closing, contextmanager
from queue import Empty, Queue
from typing import NamedTuple, TypeVar

T = TypeVar("T")


class _End(NamedTuple):
    """Behind the last item; with what made it the last one, where that was an error."""

    error: BaseException | None


@contextmanager
def ahead(items: Generator[T, None, None], most: int = 1) -> Iterator[Generator[T, None, None]]:
    """The same items in the same order, made by a thread while others are in use.

    When the body ends, however it ends, the thread is told to, does so behind the item that it is at, and has closed
    `items` there. What `items` raises is raised where the next item is asked for.

    Args:
        items: asked by one thread alone.
        most: how many wait at a time; beside these one is being made.
    """
    waiting: Queue[T | _End] = Queue(most)
    leave = threading.Event()

    def work() -> None:
        error = None
        try:
            with closing(items):
                for item in items:
                    waiting.put(item)
                    if leave.is_set():
                        break
        except BaseException as raised:
            error = raised
        if not leave.is_set():
            waiting.put(_End(error))

    def taken() -> Generator[T, None, None]:
        while not isinstance(item := waiting.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        yield taken()
    finally:
        leave.set()
        _emptied(waiting)
        thread.join()


def _emptied(waiting: "Queue[T | _End]") -> None:
    """Room for the one item that the thread may be about to hand over; it hands over no second one."""
    try:
        while True:
            waiting.get_nowait()
    except Empty:
        pass
