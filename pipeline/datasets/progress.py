"""How far something long has got: a bar on a terminal, lines in a file, where a bar would fill it."""

import logging
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm
from tqdm.contrib.logging import logging_redirect_tqdm

LINE_SECONDS = 10  # between two lines

T = TypeVar("T")
log = logging.getLogger(__name__)


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
    if sys.stderr.isatty():
        with logging_redirect_tqdm(), tqdm(total=total, unit=f" {unit}", smoothing=0, dynamic_ncols=True) as bar:
            for item in items:
                yield item
                bar.update(count(item))
        return
    began = said = time.monotonic()
    done = 0
    for item in items:
        yield item
        done += count(item)
        if time.monotonic() - said >= LINE_SECONDS:
            said = time.monotonic()
            log.info("%d %s, %.0f/s", done, unit, done / (said - began))
