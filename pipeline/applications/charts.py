"""Curves as paths of SVG, for the report."""

import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

CHART = (300, 96)  # units of a chart's drawing area
POINTS = 300  # of a curve; more would not be seen


class Panel(NamedTuple):
    name: str
    path: str  # of SVG
    low: float
    high: float
    last: float
    images: int


class Line(NamedTuple):
    name: str
    says: str
    path: str  # of SVG
    last: float


class Lines(NamedTuple):
    """Curves on one scale."""

    lines: list[Line]
    low: float
    high: float
    begin: float  # of the x-axis
    end: float


def panels(path: Path) -> list[Panel]:
    """A chart for each column of a CSV file, but `images`, which is the x-axis of all."""
    return [_panel(name, points) for name, points in curves_of(path).items()]


def together(path: Path, names: Mapping[str, str], x: str = "images") -> Lines | None:
    """These columns of a CSV file in one chart, name -> what it says; None where there is none of them.

    Args:
        path: the file.
        names: of the columns.
        x: the column of the x-axis, which begins at its first value; that of `images` begins at 0.
    """
    found = curves_of(path, x)
    curves = {name: found[name] for name in names if name in found}
    if not curves:
        return None
    every = [y for points in curves.values() for _, y in points]
    low, high, end = min(every), max(every), max(points[-1][0] for points in curves.values())
    begin = 0 if x == "images" else min(points[0][0] for points in curves.values())
    lines = [
        Line(name, names[name], _path(curves[name], low, high, end, begin), curves[name][-1][1]) for name in curves
    ]
    return Lines(lines, low, high, begin, end)


def curves_of(path: Path, x: str = "images") -> dict[str, list[tuple[float, float]]]:
    """Column -> x and values, without what is empty or not finite."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curves = {}
    for name in rows[0] if rows else ():
        points = [(float(row[x]), float(row[name])) for row in rows if row[name] != ""]
        points = [point for point in points if math.isfinite(point[1])]
        if name != x and points:
            curves[name] = points
    return curves


def _panel(name: str, points: list[tuple[float, float]]) -> Panel:
    last = points[-1]
    low, high = (extreme(y for _, y in points) for extreme in (min, max))
    return Panel(name, _path(points, low, high, last[0]), low, high, last[1], int(last[0]))


def _path(points: list[tuple[float, float]], low: float, high: float, end: float, begin: float = 0) -> str:
    """Of SVG, in a chart that runs from `begin` to `end` and from `low` to `high`."""
    step = math.ceil(len(points) / POINTS)
    shown = points[::step] + points[-1:] * bool((len(points) - 1) % step)
    width, height = CHART
    span = high - low or 1
    places = [(width * (x - begin) / ((end - begin) or 1), height * (high - y) / span) for x, y in shown]
    if len(places) == 1:
        y = places[0][1] if high > low else height / 2
        places = [(0, y), (width, y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
