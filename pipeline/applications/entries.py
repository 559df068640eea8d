"""The entries of a list of photographs, and which files cannot be among them."""

import logging
import os
from collections import Counter
from pathlib import Path
from typing import NamedTuple

from pipeline.datasets.folders import leads_outside, text

log = logging.getLogger(__name__)


class Entry(NamedTuple):
    file: Path
    path: str  # as the list has it
    identity: str
    more: tuple[int | None, ...] = ()  # CelebA: the columns after the first four


def unfit(entry: Path, root: Path, is_folder: bool = False) -> str:
    """Why an entry is passed over; empty if it is not."""
    try:
        if not is_unicode(entry.name):
            return "its name is no valid UTF-8"
        if leads_outside(entry, root):
            return "a link out of the folder"
        if is_folder:
            return "" if entry.is_dir() else "not in a person's folder"
        if entry.is_dir():
            return "a folder in a person's folder"
        return "" if entry.is_file() else "no such file"
    except OSError as error:
        return f"unreadable ({error.strerror})"


def is_unicode(name: str) -> bool:
    return text(name) == name


def pass_over(entry: Path, reason: str, passed: Counter[str]) -> None:
    log.warning("passed over: %s (%s)", text(str(entry)), reason)
    passed[reason] += 1


def spelling(folder: Path, base: Path) -> str:
    """How a list in `base` names a folder: relative where the two are likely to be moved together, else absolute."""
    lexical, here = os.path.abspath(folder), os.path.abspath(base)
    real, home = Path(os.path.realpath(folder)), Path(os.path.realpath(base))
    exists = next(place for place in (home, *home.parents) if place.exists())
    if Path(lexical).is_relative_to(here):
        spelled = os.path.relpath(lexical, here)
    elif real.stat().st_dev == exists.stat().st_dev:
        spelled = os.path.relpath(real, home)
    else:
        spelled = lexical
    return "" if spelled == "." else spelled
