"""Every metric with a state, on the same rows for all who ask: what a test has to feed it and what it would print."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

from pipeline.metrics.attributes import Attribute, MeanAttributeError
from pipeline.metrics.identity import IdentityRetrieval, gallery
from pipeline.metrics.kernel import KernelDistance
from pipeline.metrics.neighbours import NeighbourMetrics
from pipeline.metrics.probes import ProbeAccuracy, ProbeError
from pipeline.metrics.realism import FrechetDistance
from pipeline.metrics.truth import MeanNearness
from pipeline.metrics.verification import Verification, of, others, scores

ROWS, DIM, PEOPLE = 80, 6, 5


class Case(NamedTuple):
    make: Callable[[], Metric]
    update: Callable[[Metric, Tensor], None]  # with these rows, an int64 [B], of what there is


def cases() -> dict[str, Case]:
    """Name of the class -> its case."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(ROWS, DIM, generator=generator)
    fake = torch.randn(ROWS, DIM, generator=generator) + 0.5
    found, counted = (torch.rand(ROWS, generator=generator) < share for share in (0.9, 0.8))
    subject = torch.randint(PEOPLE, (ROWS,), generator=generator)
    sample = (subject + torch.randint(1, PEOPLE, (ROWS,), generator=generator)) % PEOPLE
    among = gallery(torch.randn(PEOPLE, DIM, generator=generator), torch.arange(PEOPLE))
    yaw, hue = Attribute("continuous", -45.0, 45.0), Attribute("circular", 0.0, 360.0)
    pictures, truths = torch.rand(2, ROWS, 3, 24, 24, generator=generator)
    turned = 90 * fake[:, 0] + 30 * real[:, 1]

    def sets(metric: Metric, rows: Tensor) -> None:
        metric.update(real[rows], real=True)
        metric.update(fake[rows], real=False)

    def identities(metric: Metric, rows: Tensor) -> None:
        metric.update(fake[rows], subject[rows], found[rows], sample[rows])
        metric.update(real[rows], subject[rows], found[rows])

    def angles(metric: Metric, rows: Tensor) -> None:
        metric.update(fake[rows, 0], real[rows, 0], found[rows], counted[rows])

    def verified(metric: Metric, rows: Tensor) -> None:
        table = scores(fake[rows], found[rows], among)
        metric.update(of(table, subject[rows]), others(table, subject[rows]))

    def near(metric: Metric, rows: Tensor) -> None:
        metric.update(pictures[rows], truths[rows])

    def probed(metric: Metric, rows: Tensor) -> None:
        truth = turned.remainder(360) if isinstance(metric, ProbeError) else subject
        metric.update(real[rows], truth[rows], fitted=True)
        metric.update(fake[rows], truth[rows], fitted=False)

    return {
        "FrechetDistance": Case(lambda: FrechetDistance(DIM), sets),
        "IdentityRetrieval": Case(lambda: IdentityRetrieval(among), identities),
        "KernelDistance": Case(KernelDistance, sets),
        "MeanAttributeError": Case(lambda: MeanAttributeError(yaw), angles),
        "MeanNearness": Case(MeanNearness, near),
        "NeighbourMetrics": Case(lambda: NeighbourMetrics(k=3), sets),
        "ProbeAccuracy": Case(ProbeAccuracy, probed),
        "ProbeError": Case(lambda: ProbeError(hue), probed),
        "Verification": Case(lambda: Verification({"1e-1": 0.1}), verified),
    }


def values(case: Case, *batches: Tensor) -> dict[str, float]:
    """Name -> value of a new metric after these batches of rows."""
    metric = case.make()
    for rows in batches:
        case.update(metric, rows)
    result = metric.compute()
    return {name: value.item() for name, value in (result if isinstance(result, dict) else {"": result}).items()}
