"""Photographs of people, one folder a person."""

import os
from collections.abc import Iterator
from pathlib import Path

from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.folders import leads_outside, text, visible
from pipeline.datasets.splits import split_of
from pipeline.errors import UserError
from pipeline.params import Data


def listing(data: Data) -> Listing:
    """Every file of every person, in the order of their names.

    Raises:
        UserError: at once, if the folder is missing or holds no folders.
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
    return _people(entries, root, data.shares.model_dump())


def _people(entries: list[Path], root: Path, shares: dict[str, float]) -> Listing:
    for entry in entries:
        name = f"photos/{text(entry.name)}"
        if leads_outside(entry, root):
            yield Reject(name, "outside", "the link leads out of the folder of photographs")
        elif os.path.isdir(entry):
            yield from _person(entry, name, root, split_of(entry.name, shares))
        else:
            yield Reject(name, "not_in_a_person_folder", "put it into a folder named after the person")


def _person(folder: Path, identity: str, root: Path, split: str) -> Iterator[Photograph | Reject]:
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
            yield Photograph(name, identity, split, str(file))
