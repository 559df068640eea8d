"""`identity/*` and `closed_set/*`: is it the subject, by nearest neighbour and by a calibrated threshold.

What real photographs reach has the same names with `_real` behind.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Estimates, Figures, seen, shares
from pipeline.applications.evaluation.material import Look
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals, verification
from pipeline.metrics.identity import retrieve

FALSE_ACCEPT_RATES = {"1e-2": 1e-2, "1e-3": 1e-3}
NEAREST = 5


class Compared(NamedTuple):
    """Faces beside everyone in the gallery."""

    table: Tensor  # float64 [B, P], cosines; of a face that was not found, verification.MISSED
    own: Tensor  # int64 [B], the column of whom each should show

    def part(self, rows: Tensor) -> "Compared":
        return Compared(self.table[rows], self.own[rows])

    @property
    def genuine(self) -> Tensor:
        return verification.of(self.table, self.own)

    @property
    def impostors(self) -> Tensor:
        return verification.others(self.table, self.own)


def identity(b: Bench, answers: Look) -> Figures:
    """Of recombinations."""
    made, real = compared(b, answers.said, b.subject), compared(b, b.probes, b.person)
    thresholds = _thresholds(real)
    features, found = seen(answers.said)
    columns = _recognised(made, thresholds) | _taken_for_sample(b, made, thresholds)
    columns |= retrieve(features, b.subject, b.sample, found, b.among)._asdict()
    likeness = torch.where(real.genuine > verification.MISSED, real.genuine, 0)
    figures = {f"identity/{name}": b.of_pairs(column.double()) for name, column in columns.items()}
    for name, column in (_recognised(real, thresholds) | {"cosine": likeness}).items() if len(b.person) else ():
        figures[f"identity/{name}_real"] = b.of_probes(column.double())
    return figures


def accepted_at(b: Bench, faces: Compared) -> dict[str, Tensor]:
    """`tar_at_far_*` of any faces, bool [B], at the thresholds that strangers' photographs give."""
    thresholds = _thresholds(compared(b, b.probes, b.person))
    return {f"tar_at_far_{name}": verification.accepted(faces.genuine, t) for name, t in thresholds.items()}


def _thresholds(real: Compared) -> dict[str, float]:
    """By photographs, for each rate that so many can tell."""
    tellable = {name: far for name, far in FALSE_ACCEPT_RATES.items() if len(real.impostors) * far >= 1}
    return {name: verification.threshold_at(real.impostors, far) for name, far in tellable.items()}


def rates(b: Bench, answers: Look) -> Estimates:
    """What only a set of faces has: errors where two kinds of them are equal, and areas under curves."""
    made, real = compared(b, answers.said, b.subject), compared(b, b.probes, b.person)

    def of_people(chosen: Tensor) -> dict[str, float]:
        of_real = _rates(real.part(chosen[b.person])) if len(b.person) else {}
        of_made = _rates(made.part(chosen[b.subject]))
        return {f"identity/{k}": v for k, v in of_made.items()} | {f"identity/{k}_real": v for k, v in of_real.items()}

    return shares(intervals.by_halves(of_people, len(b.among.people), len(made.table)))


def closed_set(b: Bench, answers: Look) -> Figures:
    """Of the people that CVAE-GAN was trained on, by their numbers: the paper's Table 1, by an independent judge."""
    made, real = compared(b, answers.said, b.subject), compared(b, b.probes, b.person)
    return {
        "closed_set/top1": b.of_pairs(verification.among_nearest(made.table, made.own, 1).double()),
        "closed_set/top1_real": b.of_probes(verification.among_nearest(real.table, real.own, 1).double()),
    }


def compared(b: Bench, said: Verdict, person: Tensor) -> Compared:
    """What the judge says of faces, beside the gallery.

    Args:
        b: the comparison.
        said: of the faces.
        person: int64 [B], whom each should show.
    """
    return Compared(verification.scores(*seen(said), b.among), torch.searchsorted(b.among.people, person))


def _recognised(faces: Compared, thresholds: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face is taken for whom it should show, bool [B], by several measures."""
    accepted = {f"tar_at_far_{name}": verification.accepted(faces.genuine, t) for name, t in thresholds.items()}
    return {f"top{k}": verification.among_nearest(faces.table, faces.own, k) for k in (1, NEAREST)} | accepted


def _taken_for_sample(b: Bench, made: Compared, thresholds: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face would be accepted as the sample's person, bool [B]."""
    score = verification.of(made.table, torch.searchsorted(b.among.people, b.sample))
    return {f"taken_for_sample_at_far_{name}": verification.accepted(score, t) for name, t in thresholds.items()}


def _rates(faces: Compared) -> dict[str, float]:
    if not len(faces.own):
        return {"eer": math.nan, "auc": math.nan}
    pairs = faces.genuine, faces.impostors
    return {"eer": verification.equal_error_rate(*pairs), "auc": verification.auc(*pairs)}
