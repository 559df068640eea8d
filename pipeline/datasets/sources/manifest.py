"""Photographs that a list names, CSV or Parquet; of a list of millions only a few thousand rows are ever in memory.

Columns:
    path: of the photograph, absolute or relative to the list's folder; needed. A path named twice comes twice.
    identity: text or whole number; needed. Empty: a face of nobody in particular, and the split is unlabelled.
    split: one of SPLITS. Empty: from the identity, as `split_of` has it.
    sha256: of the photograph's bytes.
    offset: where the photograph begins in a file that holds several, a plain tar for one. Empty: it is the file.
    size: its bytes; needed where there is an offset, else for people and not read here, since sha256 says more.
    box_left … box_height, left_eye_x … mouth_right_y: pixels of the upright photograph; all or none.
    any other of numbers: an attribute. Empty: not known of this photograph.
"""

import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from pipeline.datasets.columns import (
    BOX,
    LANDMARKS,
    Problems,
    decoded,
    hashes,
    is_numeric,
    is_text,
    measures,
    numbers,
    places,
    texts,
    without_nan,
)
from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.folders import text, visible
from pipeline.datasets.splits import SPLITS, UNLABELLED, split_of
from pipeline.errors import UserError
from pipeline.params import Data

log = logging.getLogger(__name__)

SUFFIXES = (".csv", ".parquet")
_TEXT = ("path", "identity", "split", "sha256")
_PLACE = ("offset", "size")
_NO_ATTRIBUTES = ("size", "", "Unnamed: 0", "__index_level_0__")  # the last three: row numbers that pandas wrote
_BATCH_ROWS = 8192


def listing(data: Data) -> Listing:
    """Every row of every list, in the order of the lists' names; whether the files exist is not asked.

    Raises:
        UserError: at once, if the place or a list's columns are not as they should be; later, if a list breaks off.
    """
    # People's rows mostly stand together; the bound is for lists in which they do not.
    split = lru_cache(maxsize=100_000)(partial(split_of, shares=data.shares.model_dump()))
    return chain.from_iterable([_Manifest(file, split).rows() for file in _files(Path(data.manifest))])


def _files(place: Path) -> list[Path]:
    if os.path.isdir(place):
        files = [entry for entry in visible(place) if entry.suffix.lower() in SUFFIXES and os.path.isfile(entry)]
        if not files:
            raise UserError(f"{place} holds no .csv and no .parquet; `python -m pipeline manifest` makes one")
        return files
    if not os.path.isfile(place):
        raise UserError(f"{place} is not there; data.manifest should name a CSV or Parquet file, or a folder of them")
    if place.suffix.lower() not in SUFFIXES:
        raise UserError(f"{place} is no list of photographs; data.manifest should end in .csv or .parquet")
    return [place]


class _Manifest:
    """One file: checked when made, then read in batches."""

    def __init__(self, file: Path, split: Callable[[str], str]) -> None:
        self.file, self.split = file, split
        # Not the real path: DVC may have put a link to its cache in the file's place.
        self.folder = os.path.abspath(file.parent)
        self.is_csv = file.suffix.lower() == ".csv"
        kinds = self._kinds()
        self._check(kinds)
        place = _PLACE if "offset" in dict(kinds) else ()
        known = (*_TEXT, *BOX, *LANDMARKS, *place)
        self.columns = [name for name, _ in kinds if name in known]
        # CSV has no types: a column is decided where its first values are. None: not yet.
        self.attributes: dict[str, bool | None] = {}
        for name, kind in kinds:
            if name not in (*known, *_NO_ATTRIBUTES):
                self.attributes[name] = None if self.is_csv else is_numeric(kind)
        self._say_passed_over([name for name, numeric in self.attributes.items() if numeric is False])
        self.columns += [name for name, numeric in self.attributes.items() if numeric is not False]

    def rows(self) -> Listing:
        """What each row gives, in the file's order; rows that are damaged have their place in it too."""
        damaged: dict[int, str] = {}
        number = 2  # the header is row 1, as in a spreadsheet
        for batch in self._batches(damaged):
            problems: Problems = {}
            for row, photograph in enumerate(self._photographs(batch, problems)):
                while number in damaged:
                    yield self._damaged(number, damaged.pop(number))
                    number += 1
                yield self._reject(number, photograph, *problems[row]) if row in problems else photograph
                number += 1
        for number in sorted(damaged):
            yield self._damaged(number, damaged[number])

    def _kinds(self) -> list[tuple[str, pa.DataType]]:
        try:
            if self.is_csv:
                with self._csv({}, None) as reader:
                    return [(field.name, pa.binary()) for field in reader.schema]  # not the types it guesses
            with pq.ParquetFile(self.file) as parquet:
                return [(field.name, field.type) for field in parquet.schema_arrow]
        except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
            kind = "CSV in UTF-8" if self.is_csv else "Parquet"
            raise UserError(f"{self.file} cannot be read as {kind} ({_first_line(error)}); make it again") from None

    def _check(self, kinds: list[tuple[str, pa.DataType]]) -> None:
        names = [name for name, _ in kinds]
        place = _PLACE if "offset" in names else ()
        for name in ("path", "identity"):
            if name not in names:
                has = ", ".join(names[:8])[:200]
                raise UserError(f"{self.file} has no column {name} (but {has}); name its columns in the first row")
        for name, kind in kinds:
            if names.count(name) > 1:
                raise UserError(f"{self.file} has the column {name!r} twice; take one away or rename it")
            kind = kind.value_type if pa.types.is_dictionary(kind) else kind
            if name in (*_TEXT, *BOX, *LANDMARKS, *place) and not (is_text(kind) or is_numeric(kind)):
                raise UserError(f"{self.file}: the column {name} should be of text or numbers (got {kind})")
        if "offset" in names and "size" not in names:
            raise UserError(f"{self.file} has the column offset and no size; add how many bytes each photograph has")
        for group in (BOX, LANDMARKS):
            missing = [name for name in group if name not in names]
            if missing and len(missing) < len(group):
                raise UserError(
                    f"{self.file} has {len(group) - len(missing)} of the columns {', '.join(group)}; "
                    f"add {', '.join(missing)}, or take the others away"
                )

    def _csv(self, types: dict[str, pa.DataType], damaged: dict[int, str] | None) -> pyarrow.csv.CSVStreamingReader:
        def skip(row: pyarrow.csv.InvalidRow) -> str:
            if damaged is not None:
                damaged[row.number] = f"{row.actual_columns} fields where {row.expected_columns} are expected"
            return "skip"

        return pyarrow.csv.open_csv(
            self.file,
            pyarrow.csv.ReadOptions(use_threads=False),  # with threads, rows have no numbers
            pyarrow.csv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            # Not text: one byte that is no UTF-8 would end the reading.
            pyarrow.csv.ConvertOptions(column_types=types, include_columns=list(types)),
        )

    def _batches(self, damaged: dict[int, str]) -> Iterator[pa.RecordBatch]:
        done = 1
        try:
            if self.is_csv:
                with self._csv(dict.fromkeys(self.columns, pa.binary()), damaged) as reader:
                    for batch in reader:
                        yield batch
                        done += batch.num_rows
            else:
                with pq.ParquetFile(self.file, buffer_size=2**16) as parquet:  # a row group may be the whole file
                    for batch in parquet.iter_batches(_BATCH_ROWS, columns=self.columns, use_threads=False):
                        yield batch
                        done += batch.num_rows
        except (pa.ArrowException, OSError) as error:
            where = f"{self.file} cannot be read on after row {done + len(damaged)}"
            raise UserError(f"{where} ({_first_line(error)}); repair it or make it again") from None

    def _photographs(self, batch: pa.RecordBatch, problems: Problems) -> Iterator[Photograph]:
        columns = {name: decoded(batch.column(name)) for name in batch.schema.names}
        empty = [""] * batch.num_rows
        given = {name: texts(columns[name], problems) if name in columns else empty for name in _TEXT}
        identities, paths, splits = given["identity"], given["path"], []
        for row, (path, identity, split) in enumerate(zip(paths, identities, given["split"], strict=True)):
            if not path or "\0" in path:
                problems.setdefault(row, ("no_path", "the path holds a NUL" if path else "the path is empty"))
            if split and identity and split not in SPLITS:
                problems.setdefault(row, ("no_split", f"the split is {split[:40]!r} and should be one of {SPLITS}"))
            splits.append((split or self.split(identity)) if identity else UNLABELLED)
        offsets, sizes = places(columns, batch.num_rows, problems)
        return map(
            Photograph,
            list(map(_name, paths, offsets, sizes)),
            [f"manifest/{identity}" if identity else None for identity in identities],
            splits,
            [os.path.join(self.folder, path) for path in paths],
            offsets,
            sizes,
            hashes(given["sha256"], problems),
            measures(columns, BOX, "bad_box", problems),
            measures(columns, LANDMARKS, "bad_landmarks", problems),
            self._attributes(columns, problems),
        )

    def _attributes(self, columns: dict[str, pa.Array], problems: Problems) -> Iterable[dict[str, float] | None]:
        values = {name: numbers(columns[name]) for name, numeric in self.attributes.items() if numeric is not False}
        undecided = [name for name in values if self.attributes[name] is None and not np.isnan(values[name]).all()]
        for name in undecided:
            self.attributes[name] = not np.isinf(values[name]).any()
        self._say_passed_over([name for name in undecided if not self.attributes[name]])
        names = [name for name in values if self.attributes[name]]
        if not names:
            return repeat(None)
        table = np.stack([values[name] for name in names], axis=1)
        for row, column in np.argwhere(np.isinf(table)).tolist():
            problems.setdefault(row, ("bad_attribute", f"{names[column]} should be a finite number or empty"))
        whole = (~np.isnan(table).any(axis=1)).tolist()
        return [
            dict(zip(names, row, strict=True)) if full else without_nan(names, row)
            for row, full in zip(table.tolist(), whole, strict=True)
        ]

    def _say_passed_over(self, names: list[str]) -> None:
        if names:
            log.info("%s: passed over, since not of numbers: %s", self.file, ", ".join(names))

    def _reject(self, number: int, photograph: Photograph, reason: str, detail: str) -> Reject:
        if reason in ("no_path", "damaged_row"):
            return Reject(self._place(number), reason, detail)
        return Reject(photograph.name, reason, f"row {number}: {detail}")

    def _damaged(self, number: int, detail: str) -> Reject:
        return Reject(self._place(number), "damaged_row", detail)

    def _place(self, number: int) -> str:
        return f"manifest/{text(self.file.name)}:{number}"


def _name(path: str, offset: int, size: int | None) -> str:
    """Of a candidate; of those in one file, each has its own."""
    return f"manifest/{path}" if size is None else f"manifest/{path}@{offset}"


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
