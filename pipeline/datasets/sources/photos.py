"""Photographs of people, one folder a person; and what is known of the people, in a file beside the folders.

`info.csv`, if it is there, has a row a person: in its first column the folder's name, in the others numbers (`age`: an
attribute of that name) or words (`gender`, of which `female` makes the attribute `gender=female`, 1). Empty, or one of
UNKNOWN: not known.
"""

import csv
import math
import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.folders import leads_outside, text, visible
from pipeline.datasets.splits import split_of
from pipeline.errors import UserError
from pipeline.params import Data

INFO = "info.csv"
UNKNOWN = ("", "na", "n/a", "nan", "none", "null", "unknown", "?", "-")  # however they are capitalized
Known = dict[str, dict[str, float]]  # folder's name -> attribute -> value


def listing(data: Data) -> Listing:
    """Every file of every person, in the order of their names.

    Raises:
        UserError: at once, if the folder is missing or holds no folders, or `info.csv` cannot be read.
    """
    path = Path(data.photos)
    if not os.path.isdir(path):  # Path.is_dir raises where a folder above may not be searched
        raise UserError(f"{path} is no folder; data.photos should name one with a folder for each person")
    root = Path(os.path.realpath(path))
    try:
        entries = visible(root)
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be opened ({error.strerror}); give yourself the right to") from None
    if not any(os.path.isdir(entry) for entry in entries):
        raise UserError(f"{path} holds no folders; put each person's photographs into a folder of their own")
    file = root / INFO
    if leads_outside(file, root) or not os.path.isfile(file):
        return _people(entries, root, data.shares.model_dump(), {})
    entries = [entry for entry in entries if entry != file]
    return _people(entries, root, data.shares.model_dump(), _info(file))


def _info(file: Path) -> Known:
    """What a list of people says of each.

    Raises:
        UserError: it is no CSV in UTF-8, or names a person twice.
    """
    known: Known = {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as stream:
            _, *columns = next(reader := csv.reader(stream), [""])
            for name, *values in filter(None, reader):
                if name in known:
                    raise UserError(f"{file} has the person {name!r} twice; take one row away")
                said = zip(columns, values, strict=False)
                known[name] = dict(_attribute(*pair) for pair in said if pair[1].strip().lower() not in UNKNOWN)
    except (OSError, ValueError, csv.Error) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{file} cannot be read as CSV in UTF-8 ({why}); make it again, or take it away") from None
    return known


def _attribute(column: str, value: str) -> tuple[str, float]:
    """A number by the column's name, a word as a yes by column and word."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    return (column, number) if math.isfinite(number) else (f"{column}={value.strip()}", 1.0)


def _people(entries: list[Path], root: Path, shares: dict[str, float], known: Known) -> Listing:
    for entry in entries:
        name = f"photos/{text(entry.name)}"
        if leads_outside(entry, root):
            yield Reject(name, "outside", "the link leads out of the folder of photographs")
        elif os.path.isdir(entry):
            yield from _person(entry, name, root, split_of(entry.name, shares), known.get(entry.name))
        else:
            yield Reject(name, "not_in_a_person_folder", "put it into a folder named after the person")


def _person(
    folder: Path, identity: str, root: Path, split: str, known: dict[str, float] | None
) -> Iterator[Photograph | Reject]:
    try:
        files = visible(folder)
    except OSError as error:
        yield Reject(identity, "unreadable", f"the folder cannot be opened ({error.strerror})")
        return
    for file in files:
        name = f"{identity}/{text(file.name)}"
        if leads_outside(file, root):
            yield Reject(name, "outside", "the link leads out of the folder of photographs")
        elif os.path.isdir(file):
            yield Reject(name, "folder_in_a_person_folder", "photographs are read from the person's own folder only")
        else:
            yield Photograph(name, identity, split, str(file), attributes=known)
