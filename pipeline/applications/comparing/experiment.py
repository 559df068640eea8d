"""What is known of one experiment, in the same form wherever it is kept."""

import csv
import io
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple


class Measured(NamedTuple):
    """A number, perhaps with its 95 % interval."""

    value: float
    low: float | None = None
    high: float | None = None
    n: float | None = None


class Curve(NamedTuple):
    x: str  # what the x-axis counts
    points: list[tuple[float, float]]


class Experiment(NamedTuple):
    name: str
    says: str  # of which commit or run, and when
    params: dict[str, Any]  # by dotted names
    metrics: dict[str, Measured]
    curves: dict[str, Curve]
    origin: dict[str, str]  # path -> DVC's md5, of what the evaluation was made with
    picture: Path | None = None  # the grid of recombinations


WITHOUT_METRICS = "not_measured"
ORIGIN = ("data/faces", "models/judge")  # where these differ, so does what a number means


def measured(raw: Mapping[str, Any]) -> dict[str, Measured]:
    """The numbers of a metrics file; what is no number, or not finite, is left out."""
    numbers = {name: _measured(value) for name, value in raw.items() if name != WITHOUT_METRICS}
    return {name: value for name, value in numbers.items() if value is not None}


def _measured(raw: Any) -> Measured | None:
    if not isinstance(raw, Mapping):
        return Measured(float(raw)) if is_number(raw) else None
    value, low, high, n = (raw.get(name) if is_number(raw.get(name)) else None for name in Measured._fields)
    if value is None:
        return None
    return Measured(value, low, high, n) if low is not None and high is not None else Measured(value)


def is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and math.isfinite(raw)


def curves(text: str) -> dict[str, Curve]:
    """Column of a CSV file -> its curve over the first column; cells that are no numbers are left out."""
    x, *names = next(csv.reader(io.StringIO(text)), [""])
    found: dict[str, Curve] = {name: Curve(x, []) for name in names}
    for row in csv.DictReader(io.StringIO(text)):
        place = _number(row[x])
        for name in names:
            value = _number(row[name])
            if place is not None and value is not None:
                found[name].points.append((place, value))
    return {name: curve for name, curve in found.items() if curve.points}


def table_curves(name: str, text: str) -> dict[str, Curve]:
    """Of a table of the evaluation, by names that say which; how many images a row stands for is no curve."""
    return {f"{name}: {column}": curve for column, curve in curves(text).items() if column != "images"}


def _number(cell: str | None) -> float | None:
    try:
        value = float(cell or "")
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def flat(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params by dotted names; a list of one is that one, since W&B is given what params.yaml says as lists."""
    found: dict[str, Any] = {}
    for name, value in tree.items():
        if isinstance(value, Mapping):
            found |= flat(value, f"{prefix}{name}.")
        else:
            found[f"{prefix}{name}"] = value[0] if isinstance(value, list) and len(value) == 1 else value
    return found
