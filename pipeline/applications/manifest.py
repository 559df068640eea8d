"""`python -m pipeline manifest`: a list of photographs with sizes and hashes, which `data.manifest` reads.

Millions of loose files are no dependency that DVC can check in reasonable time; one list that holds their hashes is.
"""

import hashlib
import itertools
import logging
import os
import re
import sys
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from tqdm import tqdm  # type: ignore[import-untyped]
from tqdm.contrib.logging import logging_redirect_tqdm  # type: ignore[import-untyped]

from pipeline.datasets.sources.folders import leads_outside, text, visible
from pipeline.datasets.sources.manifest import BOX, LANDMARKS, SUFFIXES
from pipeline.errors import UserError

log = logging.getLogger(__name__)

_BATCH_ROWS = 65_536  # a row group of the Parquet file
_LOOK_AHEAD = 256  # files that are hashed or wait for it
_SECONDS = 10  # between two lines of progress

_COLUMNS = [("path", pa.string()), ("identity", pa.string()), ("size", pa.int64()), ("sha256", pa.string())]
_CELEBA_LANDMARKS = (
    "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
)
_CELEBA_BOX = "image_id x_1 y_1 width height"


class _Entry(NamedTuple):
    file: Path
    path: str  # as the list has it
    identity: str
    more: tuple[int | None, ...] = ()  # CelebA: the columns after the first four


def make(folders: list[Path], out: Path, celeba: bool) -> None:
    """List the photographs of folders of people, or of CelebA.

    Args:
        folders: each holds a folder for each person; or the one folder of CelebA, as it was distributed.
        out: .csv or .parquet; replaced when the new one is whole.
        celeba: identities, landmarks, boxes and attributes come from CelebA's own lists.

    Raises:
        UserError: a folder is not as it should be, or `out` cannot be written.
    """
    if out.suffix.lower() not in SUFFIXES:
        raise UserError(f"{out}: the list is CSV or Parquet; let --out end in .csv or .parquet")
    passed: Counter[str] = Counter()
    entries, more = _celeba(folders, out, passed) if celeba else (_people(folders, out, passed), [])
    total = len(entries) if isinstance(entries, list) else None
    people: set[str] = set()
    photographs = 0
    with _written(out, pa.schema(_COLUMNS + more)) as write:
        for rows in _batched(_progress(_hashed(entries, passed), total)):
            write(rows)
            photographs += len(rows)
            people.update(row[1] for row in rows)
        if not photographs:
            raise UserError(f"{text(str(folders[0]))} holds no photograph that can be listed; name another folder")
    left = ", ".join(f"{reason}: {number}" for reason, number in sorted(passed.items()))
    log.info("%s: %d people, %d photographs%s", out, len(people), photographs, f"; passed over: {left}" if left else "")


def _people(folders: list[Path], out: Path, passed: Counter[str]) -> Iterator[_Entry]:
    """The files of every person of every folder, sorted by the folders' names, whatever their order here."""
    names = [Path(os.path.abspath(folder)).name for folder in folders]
    for name, folder in zip(names, folders, strict=True):
        if not folder.is_dir():
            raise UserError(f"{text(str(folder))} is no folder; name one with a folder for each person")
        if names.count(name) > 1:
            raise UserError(f"two folders are called {text(name)}, so their people cannot be told apart; rename one")
    sets = sorted(zip(names, folders, strict=True))
    several = len(sets) > 1
    return itertools.chain.from_iterable(
        _folder(folder, f"{name}/" if several else "", out, passed) for name, folder in sets
    )


def _folder(folder: Path, prefix: str, out: Path, passed: Counter[str]) -> Iterator[_Entry]:
    root, spelled = Path(os.path.realpath(folder)), _spelled(folder, out.parent)
    own = Path(os.path.realpath(out.parent), out.name)  # the list of the last time
    try:
        people = visible(root)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be opened ({error.strerror}); give yourself the right") from None
    for person in people:
        if person == own:
            continue
        reason = _unfit(person, root, is_folder=True)
        try:
            files = [] if reason else visible(person)
        except OSError as error:
            files, reason = [], f"unreadable ({error.strerror})"
        if reason:
            _pass_over(person, reason, passed)
        for file in files:
            path = os.path.join(spelled, person.name, file.name)
            reason = _unfit(file, root) or ("" if _is_unicode(path) else "its path is no valid UTF-8")
            if reason:
                _pass_over(file, reason, passed)
            elif file != own:
                yield _Entry(file, path, prefix + person.name)


def _unfit(entry: Path, root: Path, is_folder: bool = False) -> str:
    """Why an entry is passed over; empty if it is not."""
    try:
        if not _is_unicode(entry.name):
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


def _is_unicode(name: str) -> bool:
    return text(name) == name


def _pass_over(entry: Path, reason: str, passed: Counter[str]) -> None:
    log.warning("passed over: %s (%s)", text(str(entry)), reason)
    passed[reason] += 1


def _spelled(folder: Path, base: Path) -> str:
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


def _hashed(entries: Iterable[_Entry], passed: Counter[str]) -> Iterator[tuple]:
    """Rows of the list in the order of the entries, while threads read a little ahead."""
    waiting: deque = deque()

    def first() -> Iterator[tuple]:
        entry, future = waiting.popleft()
        try:
            yield (entry.path, entry.identity, *future.result(), *entry.more)
        except OSError as error:
            _pass_over(entry.file, f"unreadable ({error.strerror})", passed)

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for entry in entries:
                waiting.append((entry, pool.submit(_size_and_hash, entry.file)))
                if len(waiting) == _LOOK_AHEAD:
                    yield from first()
            while waiting:
                yield from first()
        finally:
            pool.shutdown(cancel_futures=True)


def _size_and_hash(file: Path) -> tuple[int, str]:
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return stream.tell(), digest


def _progress(rows: Iterator[tuple], total: int | None) -> Iterator[tuple]:
    if sys.stderr.isatty():
        with logging_redirect_tqdm():
            yield from tqdm(rows, total=total, unit=" photographs", smoothing=0)
        return
    began = said = time.monotonic()
    for number, row in enumerate(rows, 1):
        yield row
        if time.monotonic() - said >= _SECONDS:
            said = time.monotonic()
            log.info("%d photographs, %.0f/s", number, number / (said - began))


def _batched(rows: Iterator[tuple]) -> Iterator[list[tuple]]:
    while batch := list(itertools.islice(rows, _BATCH_ROWS)):
        yield batch


@contextmanager
def _written(out: Path, schema: pa.Schema) -> Iterator[Callable[[list[tuple]], None]]:
    """Takes rows; they have their final name when the body has ended well."""
    part = out.with_name(f".{out.name}.part")
    writer_of = pq.ParquetWriter if out.suffix.lower() == ".parquet" else pyarrow.csv.CSVWriter
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with writer_of(part, schema) as writer:

            def write(rows: list[tuple]) -> None:
                columns = zip(zip(*rows, strict=True), schema.types, strict=True)
                writer.write_batch(pa.record_batch([pa.array(*column) for column in columns], schema=schema))

            yield write
        os.replace(part, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror or error}); choose another --out") from None
    finally:
        with suppress(OSError):
            part.unlink()


class _List(NamedTuple):
    """One of CelebA's lists: the columns that we make of it, and its rows as line number, image and values."""

    file: Path
    columns: list[tuple[str, pa.DataType]]
    rows: Iterator[tuple[int, str, Sequence[int | None]]]


def _celeba(folders: list[Path], out: Path, passed: Counter[str]) -> tuple[list[_Entry], list[tuple[str, pa.DataType]]]:
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
    inside, spelled, entries = Path(os.path.realpath(images)), _spelled(images, out.parent), []
    for name, identity, more in _joined(identities, lists):
        reason = _unfit(inside / name, inside)
        if reason:
            _pass_over(images / name, reason, passed)
        else:
            entries.append(_Entry(inside / name, os.path.join(spelled, name), str(identity), more))
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
        (box, _CELEBA_BOX, BOX, usable),
        (landmarks, _CELEBA_LANDMARKS, LANDMARKS, list),
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
