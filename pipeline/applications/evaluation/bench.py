"""What every system is measured against, prepared once; and a figure: the numbers of its rows, not yet averaged."""

from typing import NamedTuple

import torch
from torch import Tensor

from pipeline.applications.evaluation.look import Look
from pipeline.applications.evaluation.material import MODEL, Material
from pipeline.applications.judging import Court
from pipeline.applications.retrieval import judged_gallery, labelled
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals
from pipeline.metrics.identity import Gallery
from pipeline.metrics.intervals import Estimate, Resamples
from pipeline.metrics.realism import warn_of_few

Estimates = dict[str, Estimate]


class Figure(NamedTuple):
    """A number a row, of which the mean is reported: of everybody, or of some people."""

    column: Tensor  # float [B]
    person: Tensor  # int64 [B], the subject, or who is photographed
    over: Resamples
    groups: Tensor | None = None  # int64 [B], of a yes/no attribute what is true
    counted: Tensor | None = None  # bool [B]; all, if left out

    def estimate(self) -> Estimate:
        return intervals.mean(self.column, self.over, self.groups, self.counted)

    def rows_of(self, people: Tensor) -> Tensor:
        """Which rows count of these people alone, bool [B]; the people are bool [P], by their numbers."""
        own = people[self.person]
        return own if self.counted is None else own & self.counted


Figures = dict[str, Figure]


class Bench(NamedTuple):
    court: Court
    material: Material
    among: Gallery
    subject: Tensor  # int64 [B], numbers of people
    sample: Tensor  # int64 [B], likewise; [0] where no sample was asked
    over: Resamples  # of the pairs
    probes: Verdict  # the judge, of real photographs that are in no gallery
    person: Tensor  # int64 [P], whose each is
    over_probes: Resamples

    @property
    def model(self) -> Look:
        return self.material.answers[MODEL]

    def of_pairs(self, column: Tensor, groups: Tensor | None = None, counted: Tensor | None = None) -> Figure:
        return Figure(column, self.subject, self.over, groups, counted)

    def of_probes(self, column: Tensor) -> Figure:
        return Figure(column, self.person, self.over_probes)


def bench(court: Court, m: Material) -> Bench:
    """Prepare the comparison."""
    shown, person_shown = labelled(m.people.gallery)
    _, person = labelled(m.people.probes)
    among = judged_gallery(m.real.part(slice(len(shown))), person_shown)
    subject, sample = m.persons(m.asked.subject_rows), m.persons(m.asked.sample_rows)
    over = intervals.resamples(*(people for people in (subject, sample) if len(people)))
    probes = m.real.part(slice(len(shown), None))
    warn_of_few(len(m.asked.subject_rows), len(m.real.found), m.real.features.shape[1])
    over_probes = intervals.resamples(person) if len(person) else Resamples(torch.ones(1, 0, dtype=torch.float64))
    return Bench(court, m, among, subject, sample, over, probes, person, over_probes)


def shares(values: Estimates) -> Estimates:
    """What lies in [0, 1], and so does its interval."""
    return {name: v._replace(low=max(v.low, 0.0), high=min(v.high, 1.0)) for name, v in values.items()}


def seen(said: Verdict) -> tuple[Tensor, Tensor]:
    """Features, and whether a face was found."""
    return torch.from_numpy(said.features), torch.from_numpy(said.found)
