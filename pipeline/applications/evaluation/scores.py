"""What a system scores, with intervals: identity, attributes, truth and realism (docs/evaluation.md has each formula).

Every score of a system is a dict of `Estimate`s, and the columns behind it: a number an output.
"""

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.material import MODEL, Column, Look, Material
from pipeline.applications.judging import Court, known_attributes, visible
from pipeline.applications.retrieval import judged_gallery, labelled
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals, verification
from pipeline.metrics.attributes import Attribute, errors
from pipeline.metrics.identity import Gallery, found_first, retrieve
from pipeline.metrics.intervals import Estimate, Resamples
from pipeline.metrics.kernel import kernel_distance
from pipeline.metrics.neighbours import Prdc, prdc
from pipeline.metrics.realism import fit, frechet_distance, warn_of_few

Estimates = dict[str, Estimate]
FALSE_ACCEPT_RATES = {"1e-2": 1e-2, "1e-3": 1e-3}
NEAREST = 5  # neighbours that reach the edge of a ball (metrics/neighbours.py), and people of top5


class Bench(NamedTuple):
    """What all systems are measured against, prepared once."""

    court: Court
    material: Material
    among: Gallery
    subject: Tensor  # int64 [B], numbers of people
    sample: Tensor  # int64 [B], likewise; [0] where no sample was asked
    over: Resamples  # of the pairs
    probes: Verdict  # the judge, of real photographs that are in no gallery
    person: Tensor  # int64 [P], whose each is
    over_probes: Resamples


def bench(court: Court, m: Material) -> Bench:
    """Prepare the comparison."""
    shown, person_shown = labelled(m.people.gallery)
    _, person = labelled(m.people.probes)
    among = judged_gallery(m.real.part(slice(len(shown))), person_shown)
    subject, sample = m.persons(m.asked.subject_rows), m.persons(m.asked.sample_rows)
    over = intervals.resamples(*(people for people in (subject, sample) if len(people)))
    probes = m.real.part(slice(len(shown), None))
    warn_of_few(len(m.answers[MODEL].said.found), len(m.real.found), m.real.features.shape[1])
    return Bench(court, m, among, subject, sample, over, probes, person, intervals.resamples(person))


def recombinations(b: Bench, answers: Look) -> tuple[Estimates, Column]:
    """Of subjects with samples, by IP-GAN or by anybody: identity, attributes, truth and realism."""
    values, columns = identity(b, answers)
    for score in (attributes(b, answers), truth(b, answers)):
        values |= score[0]
        columns |= score[1]
    return values | realism(b, answers), columns


def classes(b: Bench, answers: Look) -> tuple[Estimates, Column]:
    """Of the people that CVAE-GAN was trained on, by their numbers: the paper's Table 1, by an independent judge.

    A subject or a sample is no input of it, so identity, attributes and truth are not defined.
    """
    hits = found_first(*_seen(answers.said, b.subject), b.among).double()
    real = found_first(*_seen(b.probes, b.person), b.among).double()
    values = {
        "closed_set/top1": intervals.mean(hits, b.over),
        "closed_set/top1_real": intervals.mean(real, b.over_probes),
    }
    return values | realism(b, answers), {"closed_set/top1": hits.numpy().astype(np.float32)}


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


def identity(b: Bench, answers: Look) -> tuple[Estimates, Column]:
    """`identity/*`: is it the subject, by nearest neighbour among real photographs and by a calibrated threshold.

    What real photographs reach has the same names with `_real` behind.
    """
    made, real = _compared(b, answers.said, b.subject), _compared(b, b.probes, b.person)
    tellable = {name: far for name, far in FALSE_ACCEPT_RATES.items() if len(real.impostors) * far >= 1}
    thresholds = {name: verification.threshold_at(real.impostors, far) for name, far in tellable.items()}
    columns = _recognised(made, thresholds) | _taken_for_sample(b, made, thresholds)
    features, subject, found = _seen(answers.said, b.subject)
    columns |= retrieve(features, subject, b.sample, found, b.among)._asdict()
    columns_real = _recognised(real, thresholds) | {
        "cosine": torch.where(real.genuine > verification.MISSED, real.genuine, 0)
    }
    values = {name: intervals.mean(column.double(), b.over) for name, column in columns.items()}
    values |= {f"{name}_real": intervals.mean(c.double(), b.over_probes) for name, c in columns_real.items()}

    def rates(chosen: Tensor) -> dict[str, float]:
        of_real = _rates(real.part(chosen[b.person]))
        return _rates(made.part(chosen[b.subject])) | {f"{name}_real": rate for name, rate in of_real.items()}

    values |= _shares(intervals.by_halves(rates, len(b.among.people), len(made.table)))
    named = {f"identity/{name}": column.numpy().astype(np.float32) for name, column in columns.items()}
    return {f"identity/{name}": value for name, value in values.items()}, named


def _compared(b: Bench, said: Verdict, person: Tensor) -> Compared:
    table = verification.scores(torch.from_numpy(said.features), torch.from_numpy(said.found), b.among)
    return Compared(table, torch.searchsorted(b.among.people, person))


def _recognised(faces: Compared, thresholds: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face is taken for whom it should show, bool [B], by several measures."""
    accepted = {f"tar_at_far_{name}": verification.accepted(faces.genuine, t) for name, t in thresholds.items()}
    return {f"top{k}": verification.among_nearest(faces.table, faces.own, k) for k in (1, NEAREST)} | accepted


def _taken_for_sample(b: Bench, made: Compared, thresholds: Mapping[str, float]) -> dict[str, Tensor]:
    """Whether each face would be accepted as the sample's person, bool [B]."""
    score = verification.of(made.table, torch.searchsorted(b.among.people, b.sample))
    return {f"taken_for_sample_at_far_{name}": verification.accepted(score, t) for name, t in thresholds.items()}


def _rates(faces: Compared) -> dict[str, float]:
    pairs = faces.genuine, faces.impostors
    return {"eer": verification.equal_error_rate(*pairs), "auc": verification.auc(*pairs)}


def attributes(b: Bench, answers: Look) -> tuple[Estimates, Column]:
    """`attributes/NAME_error` against the sample; `_unrelated`, that of a random other real face; `_real`.

    The last is the error of the judge itself on the sample, where the truth about it is known: nobody can do better in
    its eyes.
    """
    m, place = b.material, {row: i for i, row in enumerate(b.material.people.rows.tolist())}
    said_samples = m.real.part(np.array([place[row] for row in m.asked.sample_rows.tolist()]))
    truly = known_attributes(m.asked.faces, m.asked.sample_rows)
    known = truly or said_samples.attributes
    found, people = torch.from_numpy(answers.said.found), m.persons(m.people.rows)
    values, columns = {}, {}
    for name, attribute in b.court.attributes.items():
        target = torch.from_numpy(known[name])
        counted = torch.from_numpy(visible(name, known))
        if not counted.any():
            continue  # of no sample is it known: not measured
        target = target.nan_to_num()  # where it is not known it is not counted
        groups = (target >= 0.5).long() if attribute.kind == "binary" else None
        error = errors(attribute, torch.from_numpy(answers.said.attributes[name]), target, found)
        of = {"error": error, "error_unrelated": _unrelated(b, attribute, name, target, people)}
        if truly:
            sampled = torch.from_numpy(said_samples.attributes[name])
            of["error_real"] = errors(attribute, sampled, target, torch.from_numpy(said_samples.found))
        for what, column in of.items():
            values[f"attributes/{name}_{what}"] = intervals.mean(column, b.over, groups, counted)
        columns[f"attributes/{name}_error"] = error.numpy()
    return values, columns


def _unrelated(b: Bench, attribute: Attribute, name: str, target: Tensor, people: Tensor) -> Tensor:
    """The mean error of all real faces but those of the sample's own person, for each target [B]."""
    said, found = torch.from_numpy(b.material.real.attributes[name]), torch.from_numpy(b.material.real.found)
    means = []
    for rows in torch.arange(len(target)).split(1024):  # all pairs of large sets would fill the memory
        error = errors(attribute, said[None], target[rows, None], found[None]).double()
        others = (people[None] != b.sample[rows, None]).double()
        means.append((error * others).sum(1) / others.sum(1))
    return torch.cat(means)


def truth(b: Bench, answers: Look) -> tuple[Estimates, Column]:
    """`truth/*`: against the true recombination, pixel by pixel; nothing where nobody knows it."""
    values = {name: intervals.mean(torch.from_numpy(column), b.over) for name, column in answers.truth.items()}
    return values, answers.truth


def realism(b: Bench, answers: Look) -> Estimates:
    """`realism/*` in the judge's features, and with Inception's weights FID.

    An image in which the judge finds no face stays in the set, with the zeros that the judge gives for it.
    """
    fake, real = torch.from_numpy(answers.said.features).double(), torch.from_numpy(b.material.real.features).double()
    shows = b.material.persons(b.material.people.rows)

    def distances(chosen: Tensor) -> dict[str, float]:
        made, photographs = fake[chosen[b.subject]], real[chosen[shows]]
        few = min(len(made), len(photographs))
        around = prdc(photographs, made, NEAREST)._asdict() if few > NEAREST else dict.fromkeys(Prdc._fields, math.nan)
        if few < 2:
            return {"fd_judge": math.nan, "kd_judge": math.nan, **around}
        frechet = frechet_distance(fit(made), fit(photographs)).item()
        return {"fd_judge": frechet, "kd_judge": kernel_distance(made, photographs).item(), **around}

    values = intervals.by_halves(distances, len(b.material.people.names), len(fake))
    values |= _shares({name: values[name] for name in ("precision", "recall", "coverage")})
    return {f"realism/{name}": value for name, value in values.items() if math.isfinite(value.value)}


def _shares(values: Estimates) -> Estimates:
    """What lies in [0, 1], and so does its interval."""
    return {name: v._replace(low=max(v.low, 0.0), high=min(v.high, 1.0)) for name, v in values.items()}


def _seen(said: Verdict, person: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Features, who it should be, and whether a face was found."""
    return torch.from_numpy(said.features), person, torch.from_numpy(said.found)
