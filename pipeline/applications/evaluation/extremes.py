"""The worst and the best cases by each metric that can put them in order: as pictures, and as a table with pictures."""

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Figure, Figures
from pipeline.applications.readable import readable
from pipeline.datasets.contact_sheet import tiled

LEADING = ("identity/cosine_subject", "attributes/yaw_error", "truth/psnr")  # whose cases are more, and shown first
MORE = ("identity/cosine_subject", "truth/psnr", "truth/ssim", "truth/ms_ssim")  # beginnings of keys: more is better
LESS = ("identity/cosine_sample", "truth/feature_distance", "memorisation/nearest_cosine")
ROWS, COLUMNS = 12, 6  # worst, and best, by each of LEADING: in the table, in a picture
FEW = 4  # by any other, in both


class Ranking(NamedTuple):
    """Cases in the order of a metric."""

    metric: str
    order: list[int]  # rows, the worst first

    def ends(self, most: int) -> list[int]:
        """So many of the worst and as many of the best, or FEW; fewer where there are not so many."""
        each = min(most if self.metric in LEADING else FEW, len(self.order) // 2)
        return self.order[:each] + self.order[-each:] if each else []


class Extremes(NamedTuple):
    """A row a case; of its values the pictures are uint8 [S, S, 3]."""

    columns: list[str]
    rows: list[list[Any]]


def rankings(b: Bench, figures: Figures) -> tuple[list[Ranking], list[Ranking]]:
    """Of the model's cases whose images are here: LEADING and the others, without what puts nobody in order.

    That is a yes or no, and but for LEADING an attribute that the judge itself does not read. A case in which an
    attribute is not seen has no place in the order of that one.
    """
    if not len(b.sample):
        return [], []
    shown = len(b.model.images)
    more = {name: better for name in figures if (better := _more_is_better(name, figures)) is not None}
    ranked = {name: Ranking(name, _order(figures[name], better, shown)) for name, better in more.items()}
    leading = [ranked.pop(name) for name in LEADING if name in ranked]
    return leading, list(ranked.values())


def _more_is_better(name: str, figures: Figures) -> bool | None:
    """None: it says nothing of one case, or nothing that could be believed."""
    if name.endswith("_real"):
        return None  # of photographs
    if name.startswith("attributes/") and name.endswith("_error"):
        own, unrelated = figures.get(f"{name}_real"), figures[f"{name}_unrelated"]
        told = name in LEADING or readable(None if own is None else _mean(own), _mean(unrelated))
        return False if told and figures[name].groups is None else None
    return True if name.startswith(MORE) else False if name.startswith(LESS) else None


def _mean(figure: Figure) -> float:
    return _counted(figure, figure.column.double()).mean().item()


def _counted(figure: Figure, rows: Tensor) -> Tensor:
    return rows if figure.counted is None else rows[figure.counted[: len(rows)]]


def _order(figure: Figure, more: bool, shown: int) -> list[int]:
    order = figure.column[:shown].double().argsort(descending=not more, stable=True)
    return (order if figure.counted is None else order[figure.counted[order]]).tolist()


class Picture(NamedTuple):
    """Cases beside each other."""

    name: str
    says: str
    image: np.ndarray  # uint8 [H, W, 3]


def pictures(b: Bench, ranked: Sequence[Ranking]) -> Iterator[Picture]:
    """Of each metric's worst and best cases.

    A column has the subject, the sample, the answer, and the true one where it is known; the worst stand first.
    """
    for ranking in ranked:
        chosen = np.array(ranking.ends(COLUMNS), np.int64)
        if not len(chosen):
            continue
        shown = _shown(b, chosen)
        gap, half = np.full_like(b.model.images[0], 255), len(chosen) // 2
        picture = tiled([[*row[:half], gap, *row[half:]] for row in shown.values()])
        what = "subject, sample, answer" + (", truth" if "truth" in shown else "")
        name = ranking.metric.rpartition("/")[2]
        yield Picture(f"cases_{name}", f"worst and best by {ranking.metric}: {what}", picture)


def extremes(b: Bench, ranked: Sequence[Ranking], cases: Sequence[dict[str, Any]]) -> Extremes:
    """A metric after another, from its worst case, `worst 1`, to its best, `best 1`; a case may be one by several.

    Args:
        b: the comparison.
        ranked: the cases in the order of each metric.
        cases: the rows of the table of cases.
    """
    picked, places = [], []
    for ranking in ranked:
        ends = ranking.ends(ROWS)
        each = len(ends) // 2
        picked += ends
        places += [(ranking.metric, f"worst {place}") for place in range(1, each + 1)]
        places += [(ranking.metric, f"best {place}") for place in range(each, 0, -1)]
    if not picked:
        return Extremes([], [])
    shown, names = _shown(b, np.array(picked)), list(cases[0])
    rows = [
        [*place, *(images[i] for images in shown.values()), *(_plain(cases[case][name]) for name in names)]
        for i, (case, place) in enumerate(zip(picked, places, strict=True))
    ]
    return Extremes(["metric", "place", *shown, *names], rows)


def _shown(b: Bench, chosen: np.ndarray) -> dict[str, np.ndarray]:
    """What there is to see of these cases: name -> uint8 [B, S, S, 3]."""
    asked = b.material.asked.part(chosen)
    shown = {"subject_image": asked.faces.images(asked.subject_rows)}
    shown["sample_image"] = asked.faces.images(asked.sample_rows)
    shown["output"] = b.model.images[chosen]
    if "truth" in b.material.answers:
        shown["truth"] = b.material.answers["truth"].images[chosen]
    return shown


def _plain(value: Any) -> Any:
    """JSON has no number for what is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value
