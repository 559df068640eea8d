"""`identity/*` and `closed_set/*`: is it the subject, by nearest neighbour and by a calibrated threshold.

What real photographs reach has the same names with `_real` behind.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Estimates, Figures, seen
from pipeline.applications.evaluation.look import Look
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
    limits = thresholds(real)
    features, found = seen(answers.said)
    columns = _recognised(made, limits) | _taken_for_sample(b, made, limits)
    columns |= retrieve(features, b.subject, b.sample, found, b.among)._asdict()
    likeness = torch.where(real.genuine > verification.MISSED, real.genuine, 0)
    figures = {f"identity/{name}": b.of_pairs(column.double()) for name, column in columns.items()}
    for name, column in (_recognised(real, limits) | {"cosine": likeness}).items() if len(b.person) else ():
        figures[f"identity/{name}_real"] = b.of_probes(column.double())
    return figures


def accepted_at(faces: Compared, limits: Mapping[str, float]) -> dict[str, Tensor]:
    """`tar_at_far_*`: which faces are accepted as whom they should show, bool [B]."""
    return {f"tar_at_far_{name}": verification.accepted(faces.genuine, t) for name, t in limits.items()}


def thresholds(real: Compared) -> dict[str, float]:
    """By photographs, for each rate that so many can tell."""
    tellable = {name: far for name, far in FALSE_ACCEPT_RATES.items() if len(real.impostors) * far >= 1}
    return {name: verification.threshold_at(real.impostors, far) for name, far in tellable.items()}


def rates(b: Bench, answers: Look, people: Tensor | None = None) -> Estimates:
    """`eer` and `auc`, which only a set of faces has; their intervals may leave [0, 1].

    Args:
        b: the comparison.
        answers: recombinations.
        people: bool [P], of whom alone; the gallery is everybody's all the same.
    """
    found = _by_halves(compared(b, answers.said, b.subject), b.subject, people)
    return {f"identity/{name}": value for name, value in found.items()}


def rates_real(b: Bench, people: Tensor | None = None) -> Estimates:
    """The same of photographs, which are the ceiling."""
    found = _by_halves(compared(b, b.probes, b.person), b.person, people) if len(b.person) else {}
    return {f"identity/{name}_real": value for name, value in found.items()}


def _by_halves(faces: Compared, person: Tensor, people: Tensor | None) -> Estimates:
    """Rates of the faces that should show these people, with what halves of them say."""
    people = torch.ones(faces.table.shape[1], dtype=torch.bool) if people is None else people
    members = people.nonzero().squeeze(1)

    def of_members(chosen: Tensor) -> dict[str, float]:
        return _rates(faces.part(torch.isin(person, members[chosen])))

    return intervals.by_halves(of_members, len(members), int(people[person].sum()))


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


def _recognised(faces: Compared, limits: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face is taken for whom it should show, bool [B], by several measures."""
    nearest = {f"top{k}": verification.among_nearest(faces.table, faces.own, k) for k in (1, NEAREST)}
    return nearest | accepted_at(faces, limits)


def _taken_for_sample(b: Bench, made: Compared, limits: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face would be accepted as the sample's person, bool [B]."""
    score = verification.of(made.table, torch.searchsorted(b.among.people, b.sample))
    return {f"taken_for_sample_at_far_{name}": verification.accepted(score, t) for name, t in limits.items()}


def _rates(faces: Compared) -> dict[str, float]:
    if not len(faces.own):
        return {"eer": math.nan, "auc": math.nan}
    metric = verification.Verification()
    metric.update(faces.genuine, faces.impostors)
    return {name: value.item() for name, value in metric.compute().items()}
