"""CelebA as it was distributed: its images, and what its own lists say of them."""

import itertools
import logging
import os
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa

from pipeline.applications.entries import Entry, pass_over, spelling, unfit
from pipeline.datasets.columns import BOX, LANDMARKS
from pipeline.errors import UserError

log = logging.getLogger(__name__)

_LANDMARKS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
_BOX = "image_id x_1 y_1 width height"


class _List(NamedTuple):
    """One of CelebA's lists: the columns that we make of it, and its rows as line number, image and values."""

    file: Path
    columns: list[tuple[str, pa.DataType]]
    rows: Iterator[tuple[int, str, Sequence[int | None]]]


def celeba_entries(
    folders: list[Path], out: Path, passed: Counter[str]
) -> tuple[list[Entry], list[tuple[str, pa.DataType]]]:
    """CelebA's images, in the order of its lists.

    Its split into training, validation and test images is not used: the split follows from the name, as for all.
    """
    if len(folders) != 1:
        raise UserError(f"CelebA is one folder (got {len(folders)}); name the one that holds identity_CelebA.txt")
    root = folders[0]
    # The larger picture first: an aligned one is 178 × 218 and has lost what it was scaled down from.
    images = _found(root, "img_celeba") or _found(root, "img_align_celeba")
    if images is None:
        raise UserError(f"{root} has neither img_celeba nor img_align_celeba; unpack the images there")
    log.info("the images are those in %s", images)
    identities = _List(_needed(root, "identity_CelebA.txt"), [], iter(()))
    identities = identities._replace(rows=_rows(identities.file, 0, 1, list))
    lists = [*_places(root, images), _attributes(_needed(root, "list_attr_celeba.txt"))]
    inside, spelled, entries = Path(os.path.realpath(images)), spelling(images, out.parent), []
    for name, identity, more in _joined(identities, lists):
        reason = unfit(inside / name, inside)
        if reason:
            pass_over(images / name, reason, passed)
        else:
            entries.append(Entry(inside / name, os.path.join(spelled, name), str(identity), more))
    return entries, [column for each in lists for column in each.columns]


def _found(root: Path, name: str) -> Path | None:
    places = [root / name, *(root / part / name for part in ("Anno", "Eval", "Img"))]
    return next((place for place in places if place.exists()), None)


def _needed(root: Path, name: str) -> Path:
    file = _found(root, name)
    if file is None:
        raise UserError(f"{root} has no {name}, neither itself nor in Anno; copy it there from CelebA's distribution")
    return file


def _places(root: Path, images: Path) -> Iterator[_List]:
    """Where the faces are in these images: CelebA's boxes are of the images before alignment only."""
    aligned = images.name == "img_align_celeba"
    landmarks = _found(root, "list_landmarks_align_celeba.txt" if aligned else "list_landmarks_celeba.txt")
    box = None if aligned else _found(root, "list_bbox_celeba.txt")

    def usable(values: list[int]) -> Sequence[int | None]:
        return values if values[2] > 0 and values[3] > 0 else [None] * 4

    for file, theirs, ours, convert in (
        (box, _BOX, BOX, usable),
        (landmarks, _LANDMARKS, LANDMARKS, list),
    ):
        if file is None:
            continue
        if _header(file) != theirs.split():
            raise UserError(f"{file}, line 2: should be {theirs!r}; take the list from CelebA's distribution")
        yield _List(file, [(name, pa.int32()) for name in ours], _rows(file, 2, len(ours), convert))


def _attributes(file: Path) -> _List:
    names = [re.sub(r"\W+", "_", name).lower() for name in _header(file)]

    def convert(values: list[int]) -> list[int]:
        return [(-1, 1).index(value) for value in values]

    return _List(file, [(name, pa.int8()) for name in names], _rows(file, 2, len(names), convert))


def _header(file: Path) -> list[str]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        if not next(lines, "").strip().isdecimal():
            raise UserError(f"{file}, line 1: should be the number of images; take the list from CelebA's distribution")
        return next(lines, "").split()


def _rows(
    file: Path, headers: int, width: int, convert: Callable[[list[int]], Sequence[int | None]]
) -> Iterator[tuple[int, str, Sequence[int | None]]]:
    with file.open(encoding="utf-8", errors="replace") as lines:
        for number, line in enumerate(lines, 1):
            name, *fields = line.split() or [""]
            if number <= headers or not name:
                continue
            try:
                if len(fields) != width:
                    raise ValueError
                yield number, name, convert([int(field) for field in fields])
            except ValueError:
                what = f"{width} number{'s' if width > 1 else ''} of the list's kind"
                raise UserError(
                    f"{file}, line {number}: after the image's name should be {what}; "
                    "take the list from CelebA's distribution"
                ) from None


def _joined(identities: _List, lists: list[_List]) -> Iterator[tuple[str, int | None, tuple[int | None, ...]]]:
    """Image, person and the values of all lists. All of CelebA's lists are in one order."""
    for row, *others in itertools.zip_longest(identities.rows, *(each.rows for each in lists)):
        for each, other in zip(lists, others, strict=True):
            if row is None or other is None or row[1] != other[1]:
                raise UserError(
                    f"{_has(each.file, other)}, but {_has(identities.file, row)}; take all lists from one distribution"
                )
        yield row[1], row[2][0], tuple(value for other in others for value in other[2])


def _has(file: Path, row: tuple[int, str, Sequence[int | None]] | None) -> str:
    return f"{file}, line {row[0]}, is of {row[1]}" if row else f"{file} has ended"
