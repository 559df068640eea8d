"""A limit for what W&B offers none for: a server that fails is asked again for minutes."""

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def within(seconds: float, do: Callable[[], T]) -> T:
    """What it gives, or raises, in time; a work that takes longer is left behind and ends with the process.

    Raises:
        TimeoutError: it took longer.
    """
    outcome: Future[T] = Future()

    def work() -> None:
        try:
            outcome.set_result(do())
        except Exception as error:
            outcome.set_exception(error)

    threading.Thread(target=work, daemon=True).start()
    return outcome.result(seconds)
