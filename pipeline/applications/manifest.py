"""`python -m pipeline manifest`: a list of photographs with sizes and hashes, which `data.manifest` reads.

Millions of loose files are no dependency that DVC can check in reasonable time; one list that holds their hashes is.
"""

import hashlib
import itertools
import logging
import os
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.applications.celeba import celeba_entries
from pipeline.applications.entries import Entry, is_unicode, pass_over, spelling, unfit
from pipeline.datasets.folders import text, visible
from pipeline.datasets.sources.manifest import SUFFIXES
from pipeline.errors import UserError
from pipeline.terminal import watched

log = logging.getLogger(__name__)

_BATCH_ROWS = 65_536  # a row group of the Parquet file
_LOOK_AHEAD = 256  # files that are hashed or wait for it

_COLUMNS = [("path", pa.string()), ("identity", pa.string()), ("size", pa.int64()), ("sha256", pa.string())]


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
    entries, more = celeba_entries(folders, out, passed) if celeba else (_people(folders, out, passed), [])
    total = len(entries) if isinstance(entries, list) else None
    people: set[str] = set()
    photographs = 0
    with _written(out, pa.schema(_COLUMNS + more)) as write:
        for rows in _batched(watched(_hashed(entries, passed), "photographs", total)):
            write(rows)
            photographs += len(rows)
            people.update(row[1] for row in rows)
        if not photographs:
            raise UserError(f"{text(str(folders[0]))} holds no photograph that can be listed; name another folder")
    left = ", ".join(f"{reason}: {number}" for reason, number in sorted(passed.items()))
    log.info("%s: %d people, %d photographs%s", out, len(people), photographs, f"; passed over: {left}" if left else "")


def _people(folders: list[Path], out: Path, passed: Counter[str]) -> Iterator[Entry]:
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


def _folder(folder: Path, prefix: str, out: Path, passed: Counter[str]) -> Iterator[Entry]:
    root, spelled = Path(os.path.realpath(folder)), spelling(folder, out.parent)
    own = Path(os.path.realpath(out.parent), out.name)  # the list of the last time
    try:
        people = visible(root)
    except OSError as error:
        raise UserError(f"{folder}: the folder cannot be opened ({error.strerror}); give yourself the right") from None
    for person in people:
        if person == own:
            continue
        reason = unfit(person, root, is_folder=True)
        try:
            files = [] if reason else visible(person)
        except OSError as error:
            files, reason = [], f"unreadable ({error.strerror})"
        if reason:
            pass_over(person, reason, passed)
        for file in files:
            path = os.path.join(spelled, person.name, file.name)
            reason = unfit(file, root) or ("" if is_unicode(path) else "its path is no valid UTF-8")
            if reason:
                pass_over(file, reason, passed)
            elif file != own:
                yield Entry(file, path, prefix + person.name)


def _hashed(entries: Iterable[Entry], passed: Counter[str]) -> Iterator[tuple]:
    """Rows of the list in the order of the entries, while threads read a little ahead."""
    waiting: deque = deque()

    def first() -> Iterator[tuple]:
        entry, future = waiting.popleft()
        try:
            yield (entry.path, entry.identity, *future.result(), *entry.more)
        except OSError as error:
            pass_over(entry.file, f"unreadable ({error.strerror})", passed)

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
