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
    images: int


def panels(path: Path) -> list[Panel]:
    """A chart for each column of a CSV file, but `images`, which is the x-axis of all."""
    return [_panel(name, points) for name, points in curves_of(path).items()]


def together(path: Path, names: Mapping[str, str]) -> Lines | None:
    """These columns of a CSV file in one chart, name -> what it says; None where there is none of them."""
    found = curves_of(path)
    curves = {name: found[name] for name in names if name in found}
    if not curves:
        return None
    every = [y for points in curves.values() for _, y in points]
    low, high, end = min(every), max(every), max(points[-1][0] for points in curves.values())
    lines = [Line(name, names[name], _path(curves[name], low, high, end), curves[name][-1][1]) for name in curves]
    return Lines(lines, low, high, end)


def curves_of(path: Path) -> dict[str, list[tuple[int, float]]]:
    """Column -> images and values, without what is empty or not finite."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    curves = {}
    for name in rows[0] if rows else ():
        points = [(int(row["images"]), float(row[name])) for row in rows if row[name] != ""]
        points = [point for point in points if math.isfinite(point[1])]
        if name != "images" and points:
            curves[name] = points
    return curves


def _panel(name: str, points: list[tuple[int, float]]) -> Panel:
    last = points[-1]
    low, high = (extreme(y for _, y in points) for extreme in (min, max))
    return Panel(name, _path(points, low, high, last[0]), low, high, last[1], last[0])


def _path(points: list[tuple[int, float]], low: float, high: float, end: int) -> str:
    """Of SVG, in a chart that runs from 0 to `end` images and from `low` to `high`."""
    step = math.ceil(len(points) / POINTS)
    shown = points[::step] + points[-1:] * bool((len(points) - 1) % step)
    width, height = CHART
    span = high - low or 1
    places = [(width * x / max(end, 1), height * (high - y) / span) for x, y in shown]
    if len(places) == 1:
        y = places[0][1] if high > low else height / 2
        places = [(0, y), (width, y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
