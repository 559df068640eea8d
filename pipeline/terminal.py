"""How far something long has got: a bar on a terminal, lines in a file, where a bar would fill it."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LINE_SECONDS = 10  # between two lines

T = TypeVar("T")
log = logging.getLogger(__name__)


@contextmanager
def bar(unit: str, total: int | None, done: int = 0, form: str | None = None) -> Iterator[tqdm | None]:
    """A bar with log lines going by above it; None where standard error is no terminal.

    Args:
        unit: what is counted.
        total: how many there will be, where that is known.
        done: how many were there before; they do not count for the speed.
        form: the line, as tqdm's `bar_format`; None is tqdm's own.
    """
    if not sys.stderr.isatty():
        yield None
        return
    with (
        logging_redirect_tqdm(),
        tqdm(total=total, initial=done, unit=f" {unit}", smoothing=0, dynamic_ncols=True, bar_format=form) as shown,
    ):
        yield shown


def watched(
    items: Iterable[T], unit: str, total: int | None = None, count: Callable[[T], int] = lambda _: 1
) -> Iterator[T]:
    """The same items, while it is said how many there were and how fast they come.

    Args:
        items: as they come.
        unit: what is counted.
        total: how many there will be, where that is known.
        count: how many an item stands for.
    """
    with bar(unit, total) as shown:
        began = said = time.monotonic()
        done = 0
        for item in items:
            yield item
            done += count(item)
            if shown is not None:
                shown.update(count(item))
            elif time.monotonic() - said >= LINE_SECONDS:
                said = time.monotonic()
                log.info("%d %s, %.0f/s", done, unit, done / (said - began))
