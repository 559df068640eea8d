"""Columns of a list of photographs, whatever types they were written with, as what a candidate holds."""

import re
from collections.abc import Iterable
from itertools import repeat

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

BOX = ("box_left", "box_top", "box_width", "box_height")
LANDMARKS = tuple(
    f"{point}_{axis}" for point in ("left_eye", "right_eye", "nose", "mouth_left", "mouth_right") for axis in "xy"
)
_PAST = 2.0**53  # bytes; a float64 holds every whole number below
_LONGEST = 4096  # bytes of a path on Linux; a quotation mark that nobody closes makes a value of many rows

Problems = dict[int, tuple[str, str]]  # row of the batch -> reason and detail


def decoded(column: pa.Array) -> pa.Array:
    """The values themselves, where they were written as numbers of a dictionary."""
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def texts(column: pa.Array, problems: Problems) -> list[str]:
    """Each value as text, "" where there is none."""
    if pa.types.is_floating(column.type):  # pandas makes floats of integers where one is missing
        return ["" if value is None or value != value else f"{value:.17g}" for value in column.to_pylist()]
    try:
        checked = column.cast(pa.binary()) if is_text(column.type) else column
        values = pc.fill_null(checked.cast(pa.string()), "").to_pylist()
    except pa.ArrowInvalid:
        values = []
        for row, value in enumerate(checked.to_pylist()):
            values.append((value or b"").decode("utf-8", "replace"))
            if values[-1].encode() != (value or b""):
                problems[row] = ("damaged_row", "a value is no valid UTF-8")
    if any(len(value) > _LONGEST for value in values):
        for row, value in enumerate(values):
            if len(value) > _LONGEST:
                problems[row] = ("damaged_row", "a value is too long; is a quotation mark not closed?")
    return values


def hashes(values: list[str], problems: Problems) -> list[str | None]:
    is_sha256 = re.compile("[0-9a-fA-F]{64}").fullmatch
    for row, value in enumerate(values):
        if value and not is_sha256(value):
            problems.setdefault(
                row, ("bad_sha256", f"{value[:70]!r} is no SHA-256: it should be 64 hexadecimal digits")
            )
    return [value.lower() or None for value in values]


def measures(
    columns: dict[str, pa.Array], names: tuple[str, ...], reason: str, problems: Problems
) -> Iterable[tuple[float, ...] | None]:
    """The values of each row as a tuple; None where all are empty."""
    if names[0] not in columns:
        return repeat(None)
    table = np.stack([numbers(columns[name]) for name in names], axis=1)
    usable = np.isfinite(table).all(axis=1)
    if names == BOX:
        usable &= (table[:, 2:] > 0).all(axis=1)
    for row in np.flatnonzero(~usable & ~np.isnan(table).all(axis=1)).tolist():
        wanted = "finite numbers, width and height above 0" if names == BOX else "finite numbers"
        problems.setdefault(row, (reason, f"{names[0]} … {names[-1]} should be {wanted}, or all empty"))
    return [tuple(row) if use else None for row, use in zip(table.tolist(), usable.tolist(), strict=True)]


def places(columns: dict[str, pa.Array], rows: int, problems: Problems) -> tuple[list[int], list[int | None]]:
    """Where each photograph begins in its file, and its bytes; 0 and None where it is the whole file."""
    if "offset" not in columns:
        return [0] * rows, [None] * rows
    offset, size = (numbers(columns[name]) for name in ("offset", "size"))
    part = ~np.isnan(offset)
    with np.errstate(invalid="ignore"):
        usable = (offset >= 0) & (offset < _PAST) & (size > 0) & (size < _PAST) & (offset % 1 == 0) & (size % 1 == 0)
    for row in np.flatnonzero(part & ~usable).tolist():
        problems.setdefault(row, ("bad_place", "offset and size should be whole numbers of bytes, or offset empty"))
    part &= usable
    return (
        np.where(part, offset, 0).astype(np.int64).tolist(),
        [int(value) if use else None for value, use in zip(size.tolist(), part.tolist(), strict=True)],
    )


def numbers(column: pa.Array) -> np.ndarray:
    """float64; NaN: empty; infinite: no number."""
    if is_text(column.type):
        column = _parsed(pc.if_else(pc.equal(pc.binary_length(column), 0), None, column))
    return column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)


def _parsed(column: pa.Array) -> pa.Array:
    for kind in (pa.float64(), pa.bool_()):
        try:
            return column.cast(pa.string()).cast(kind)
        except pa.ArrowInvalid:
            continue
    return pa.array([_number(value) for value in column.to_pylist()], pa.float64())


def _number(value: bytes | str | None) -> float | None:
    try:
        return float(value) if value and value.strip() else None
    except ValueError:
        return np.inf


def is_numeric(kind: pa.DataType) -> bool:
    types = pa.types
    return (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or kind == pa.null()
    )


def is_text(kind: pa.DataType) -> bool:
    types = pa.types
    plain = types.is_string(kind) or types.is_binary(kind)
    large = types.is_large_string(kind) or types.is_large_binary(kind)
    return plain or large or types.is_string_view(kind) or types.is_binary_view(kind)


def without_nan(names: list[str], row: list[float]) -> dict[str, float] | None:
    return {name: value for name, value in zip(names, row, strict=True) if value == value} or None
