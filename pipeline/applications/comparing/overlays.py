"""Curves of several experiments over each other, and their intervals below each other, as the page draws them."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from pipeline.applications.charts import CHART, POINTS
from pipeline.applications.comparing.experiment import Curve, Experiment, Measured
from pipeline.applications.report import number

STEPS = (1, 2, 2.5, 5)  # of an axis, times a power of ten
PADDING = 0.06  # of an interval chart's width, on each side


class Line(NamedTuple):
    place: int  # of the experiment among all
    path: str  # of SVG
    last: float


class Tick(NamedTuple):
    share: float  # of the height from the top, or of the width from the left, in percent
    says: str


class Overlay(NamedTuple):
    """One curve of all experiments that have it."""

    key: str
    x: str
    lines: list[Line]
    ticks: list[Tick]
    begin: float  # of the x-axis
    end: float


class Mark(NamedTuple):
    """A number on the scale of its row, in percent from the left."""

    place: int
    at: float
    low: float
    high: float


def overlays(experiments: Sequence[Experiment]) -> list[Overlay]:
    """A chart for each curve that any of them has."""
    keys = dict.fromkeys(key for experiment in experiments for key in experiment.curves)
    return [_overlay(key, [e.curves.get(key) for e in experiments]) for key in keys]


def marks(measured: Sequence[Measured | None]) -> list[Mark]:
    """Numbers and intervals of one metric on one scale; none where that says no more than the numbers do."""
    there = [
        (place, m.value, m.value if m.low is None else m.low, m.value if m.high is None else m.high)
        for place, m in enumerate(measured)
        if m
    ]
    low, high = min(row[2] for row in there), max(row[3] for row in there)
    if low == high or (len(there) < 3 and all(begin == end for _, _, begin, end in there)):
        return []

    def share(value: float) -> float:
        return 100 * (PADDING + (1 - 2 * PADDING) * (value - low) / (high - low))

    return [Mark(place, share(value), share(begin), share(end)) for place, value, begin, end in there]


def ticks(low: float, high: float) -> list[float]:
    """Two to five round numbers from low to high; the one that there is, where both are the same."""
    if not high > low:
        return [low]
    most = (high - low) / 2
    power = 10.0 ** math.floor(math.log10(most))
    step = max(factor * power for factor in STEPS if factor * power <= most * 1.001)
    return [n * step for n in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def _overlay(key: str, curves: Sequence[Curve | None]) -> Overlay:
    there = [(place, curve) for place, curve in enumerate(curves) if curve]
    every = [point for _, curve in there for point in curve.points]
    x = there[0][1].x
    low, high = min(y for _, y in every), max(y for _, y in every)
    begin, end = 0 if x == "images" else min(x for x, _ in every), max(x for x, _ in every)
    lines = [Line(place, _path(c.points, (begin, end), (low, high)), c.points[-1][1]) for place, c in there]
    rows = [Tick(100 * (high - y) / ((high - low) or 1), number(y)) for y in ticks(low, high)]
    return Overlay(key, x, lines, rows, begin, end)


def _path(points: Sequence[tuple[float, float]], width: tuple[float, float], height: tuple[float, float]) -> str:
    """Of SVG, in a chart of CHART's size that runs over these values; a lone point is a short stroke."""
    step = math.ceil(len(points) / POINTS)
    shown = [*points[::step], *([points[-1]] if (len(points) - 1) % step else [])]
    (begin, end), (low, high) = width, height
    right, bottom = CHART
    places = [
        (right * (x - begin) / ((end - begin) or 1), bottom * (high - y) / (high - low) if high > low else bottom / 2)
        for x, y in shown
    ]
    if len(places) == 1:
        x, y = places[0]
        places = [(max(x - 4, 0), y), (min(x + 4, right), y)]
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
