"""The worst and the best cases as a table with pictures: whom each face should show and how, and what is said of it."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from pipeline.applications.evaluation.bench import Bench, Figures
from pipeline.applications.evaluation.curves import SORTED
from pipeline.datasets.true_answers import true_recombinations

EACH = 12  # worst, and best, by each metric of SORTED: 72 rows in all


class Extremes(NamedTuple):
    """A row a case; of its values the pictures are uint8 [S, S, 3]."""

    columns: list[str]
    rows: list[list[Any]]


def extremes(b: Bench, figures: Figures, cases: Sequence[dict[str, Any]]) -> Extremes:
    """Those of the model, a metric after another, from its worst case to its best; a case may be one by several.

    Args:
        b: the comparison.
        figures: of the model.
        cases: the rows of the table of cases.
    """
    picked, places = _picked(b, figures)
    if not picked:
        return Extremes([], [])
    m, chosen = b.material, np.array(picked)
    asked = m.asked.part(chosen)
    pictures = {"subject_image": asked.faces.images(asked.subject_rows)}
    pictures["sample_image"] = asked.faces.images(asked.sample_rows)
    pictures["output"] = b.model.images[chosen]
    if asked.truth_known:
        pictures["truth"] = true_recombinations(asked.faces, asked.subject_rows, asked.sample_rows)
    names = list(cases[0])
    rows = [
        [*place, *(images[i] for images in pictures.values()), *(_plain(cases[case][name]) for name in names)]
        for i, (case, place) in enumerate(zip(picked, places, strict=True))
    ]
    return Extremes(["metric", "place", *pictures, *names], rows)


def _picked(b: Bench, figures: Figures) -> tuple[list[int], list[tuple[str, str]]]:
    """The cases, and of each the metric and which it is by that: `worst 1` … `best 1`."""
    shown = len(b.model.images)
    each = min(EACH, shown // 2)
    picked: list[int] = []
    places: list[tuple[str, str]] = []
    for metric, more in SORTED.items():
        if metric not in figures or not len(b.sample):
            continue
        order = figures[metric].column[:shown].double().argsort(descending=not more, stable=True).tolist()
        picked += order[:each] + order[-each:]
        places += [(metric, f"worst {place}") for place in range(1, each + 1)]
        places += [(metric, f"best {place}") for place in range(each, 0, -1)]
    return picked, places


def _plain(value: Any) -> Any:
    """JSON has no number for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
