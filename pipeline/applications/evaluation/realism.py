"""`realism/*` and `memorisation/*`: do the faces look like photographs, as a set, and not like ones already seen."""

import math

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from pipeline.applications.evaluation.bench import Bench, Estimates, Figures, shares
from pipeline.applications.evaluation.identity import NEAREST
from pipeline.applications.evaluation.look import Look
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.kernel import kernel_distance
from pipeline.metrics.neighbours import Prdc, prdc
from pipeline.metrics.realism import at_infinity, frechet_between, warn_of_few

MANY = 10_000  # images, from which on a distance is extrapolated to endless ones
HALVES = 8  # of the people, for Inception's intervals: each takes seconds
SELDOM = 0.01  # of real photographs is nearer to a training image than what is called a copy


def realism(b: Bench, answers: Look) -> Estimates:
    """In the judge's features.

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
        frechet = frechet_between(made, photographs).item()
        return {"fd_judge": frechet, "kd_judge": kernel_distance(made, photographs).item(), **around}

    values = intervals.by_halves(distances, len(b.material.people.names), len(fake))
    values |= shares({name: values[name] for name in ("precision", "recall", "coverage")})
    values["fd_judge"] = values["fd_judge"]._replace(low=max(values["fd_judge"].low, 0.0))
    return {f"realism/{name}": value for name, value in values.items() if math.isfinite(value.value)}


def by_inception(b: Bench, answers: Look) -> Estimates:
    """`fid`, `kid` and, of MANY images, `fid_at_infinity`: of the system that Inception has looked at."""
    if answers.inception is None or b.material.inception is None:
        return {}
    fake, real = answers.inception, b.material.inception
    shows = b.material.persons(b.material.people.rows)
    warn_of_few(len(fake), len(real), fake.shape[1])

    def distances(chosen: Tensor) -> dict[str, float]:
        made, photographs = fake[chosen[b.subject]], real[chosen[shows]]
        if min(len(made), len(photographs)) < 2:
            return {"realism/fid": math.nan, "realism/kid": math.nan}
        fid = frechet_between(made, photographs).item()
        return {"realism/fid": fid, "realism/kid": kernel_distance(made, photographs).item()}

    values = intervals.by_halves(distances, len(b.material.people.names), len(fake), count=HALVES)
    values = {name: value for name, value in values.items() if math.isfinite(value.value)}
    if len(fake) >= MANY:
        endless = at_infinity(real, fake)
        values["realism/fid_at_infinity"] = Estimate(endless, math.nan, math.nan, len(fake))
    return values


def memorisation(b: Bench, answers: Look) -> Figures:
    """How near the nearest training image is, for the judge: of each face, and of real photographs of new people."""
    known = normalize(torch.from_numpy(b.material.train.features).double())
    made, real = (_nearest(said, known)[1] for said in (answers.said, b.probes))
    seldom = real.quantile(1 - SELDOM)
    return {
        "memorisation/nearest_cosine": b.of_pairs(made),
        "memorisation/nearest_cosine_real": b.of_probes(real),
        "memorisation/copies": b.of_pairs((made > seldom).double()),
        "memorisation/copies_real": b.of_probes((real > seldom).double()),
    }


def nearest_training_images(b: Bench, answers: Look) -> tuple[np.ndarray, Tensor]:
    """Each face's nearest: its row of the index, int64 [B], and the cosine, float64 [B]."""
    places, cosines = _nearest(answers.said, normalize(torch.from_numpy(b.material.train.features).double()))
    return b.material.train_rows[places.numpy()], cosines


def _nearest(said: Verdict, known: Tensor) -> tuple[Tensor, Tensor]:
    """Place and cosine of the nearest."""
    cosines, places = (normalize(torch.from_numpy(said.features).double()) @ known.T).max(1)
    return places, cosines
