"""What a system scores: figures, of which the rows are known, and estimates of whole sets."""

from collections.abc import Callable
from functools import partial, reduce
from operator import or_
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.attacks import attacks
from pipeline.applications.evaluation.attributes import attributes
from pipeline.applications.evaluation.bench import Bench, Estimates, Figures, shares
from pipeline.applications.evaluation.disentanglement import disentanglement
from pipeline.applications.evaluation.groups import by_group
from pipeline.applications.evaluation.identity import closed_set, identity, rates, rates_real
from pipeline.applications.evaluation.kept import NOWHERE, Kept
from pipeline.applications.evaluation.look import Column, Look
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.evaluation.material import MODEL
from pipeline.applications.evaluation.realism import by_inception, memorisation, realism
from pipeline.applications.evaluation.side_by_side import side_by_side
from pipeline.applications.evaluation.uncanniness import uncanniness
from pipeline.applications.evaluation.uses import frontalization, morphing, named_several, performance, several
from pipeline.applications.face_model import FaceModel

# Attacks first, which take longest; then what is seen of `several`, and figures.
OF_THE_MODEL: tuple[Callable[[Bench, Maker], Any], ...] = (
    attacks,
    several,
    performance,
    disentanglement,
    frontalization,
    morphing,
)


class Scores(NamedTuple):
    """Of one system."""

    figures: Figures
    of_sets: Estimates

    @property
    def values(self) -> Estimates:
        """All, by name."""
        return {name: figure.estimate() for name, figure in self.figures.items()} | self.of_sets

    @property
    def columns(self) -> Column:
        """A number an output, where there is one that says something of this output: no floors, no ceilings."""
        return {
            name: figure.column.numpy().astype(np.float32)
            for name, figure in self.figures.items()
            if not name.endswith(("_real", "_error_unrelated"))
        }


def recombinations(b: Bench, answers: Look) -> Scores:
    """Of subjects with samples, by IP-GAN or by anybody: identity, attributes, truth and realism."""
    truth = {name: b.of_pairs(torch.from_numpy(column)) for name, column in answers.truth.items()}
    figures = identity(b, answers) | attributes(b, answers) | truth
    if len(b.material.train_rows):
        figures |= memorisation(b, answers)
    of_sets = realism(b, answers) | by_inception(b, answers)
    return Scores(figures, shares(rates(b, answers) | rates_real(b)) | of_sets | uncanniness(b, answers))


def classes(b: Bench, answers: Look) -> Scores:
    """Of people by their numbers, by CVAE-GAN.

    A subject or a sample is no input of it, so identity, attributes and truth are not defined. It makes people that it
    was trained on, so a training image near by is no copy.
    """
    return Scores(closed_set(b, answers), realism(b, answers) | by_inception(b, answers))


class Results(NamedTuple):
    """Of everything that was measured."""

    model: Scores
    systems: dict[str, Estimates]  # MODEL and the controls
    groups: dict[str, Estimates]  # of the model, by groups of subjects
    others: Figures  # of the networks' codes and uses, a row a photograph or a morph


def everything(b: Bench, network: FaceModel | None, kept: Kept = NOWHERE) -> Results:
    """The model and the controls by all metrics that they have.

    Args:
        b: the comparison.
        network: IP-GAN's; None where nobody has it.
        kept: what was measured before of controls that were asked for the same pairs.
    """
    if not len(b.sample):
        made = classes(b, b.model)
        return Results(made, {MODEL: made.values}, {}, {})
    pairs = b.material.asked.digest

    def control(name: str) -> Estimates:
        answers = b.material.answers[name]
        return kept.estimates(f"{name}-{pairs}", lambda: recombinations(b, answers).values)

    own = []
    if network is not None:
        maker = Maker(network).knowing(b.material.asked.faces, b.material.people.rows, b.court.copied)
        own = [partial(measure, b, maker) for measure in OF_THE_MODEL]
    controls = [name for name in b.material.answers if name != MODEL]
    parts = [*own, partial(recombinations, b, b.model), *(partial(control, name) for name in controls)]
    measured = side_by_side(lambda part: parts[part](), len(parts), b.court.copied)
    scored = measured[len(own)]
    systems = {MODEL: scored.values} | dict(zip(controls, measured[len(own) + 1 :], strict=True))
    others: Figures = {}
    of_several: Look | None = None
    if own:
        of_attacks, of_several, *found = measured[: len(own)]
        others = reduce(or_, found, named_several(identity(b, of_several)))
        systems[MODEL] |= {name: figure.estimate() for name, figure in others.items()}
        systems[MODEL] |= shares(named_several(rates(b, of_several))) | of_attacks

    def of_people(people: Tensor) -> Estimates:
        found = rates(b, b.model, people) | rates_real(b, people)
        return found | (named_several(rates(b, of_several, people)) if of_several else {})

    return Results(scored, systems, by_group(b, scored.figures | others, of_people), others)
