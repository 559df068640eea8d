"""Are two pictures taken for one person? What a recogniser with a threshold would say, by its cosines.

Scores are float [N], of pairs of one person (genuine) and of two (impostors). A pair is accepted from the threshold
on. A face that the judge does not find has a score of -1: it is accepted as nobody.
"""

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics import Metric
from torchmetrics.functional.classification import binary_auroc, binary_eer, binary_roc
from torchmetrics.utilities import dim_zero_cat

from pipeline.metrics.identity import Gallery

MISSED = -1.0


def scores(features: Tensor, found: Tensor, among: Gallery) -> Tensor:
    """Cosine of each face and each person of the gallery, float64 [B, P].

    Args:
        features: [B, d], any length.
        found: bool [B], whether the judge found a face.
        among: the people.
    """
    if not features[found].isfinite().all():
        raise ValueError("features of a found face are not finite")
    cosines = normalize(features.double().nan_to_num()) @ among.embeddings.double().T
    return torch.where(found[:, None], cosines, MISSED)


def of(table: Tensor, columns: Tensor) -> Tensor:
    """Each row's score with one person, [B]; `columns` says which, int64 [B]."""
    return table.gather(1, columns[:, None]).squeeze(1)


def others(table: Tensor, columns: Tensor) -> Tensor:
    """The scores with everyone else, [B (P - 1)]."""
    return table[torch.ones_like(table, dtype=torch.bool).scatter(1, columns[:, None], False)]


def among_nearest(table: Tensor, columns: Tensor, k: int) -> Tensor:
    """Whether a person is among the k nearest, bool [B]; ties count against it, and a missed face is near nobody."""
    own = of(table, columns)[:, None]
    nearer = (table >= own).sum(1) - 1
    return (nearer < k) & (own[:, 0] > MISSED)


class Roc(NamedTuple):
    """Rates of acceptance from the strictest threshold to the most lenient, float64."""

    false_accept: Tensor  # of impostors
    true_accept: Tensor  # of genuine pairs


def threshold_at(impostors: Tensor, far: float) -> float:
    """The least threshold that accepts at most so large a share of these impostors.

    Raises:
        ValueError: there are too few of them to tell: fewer than 1 / far.
    """
    if len(impostors) * far < 1:
        raise ValueError(f"a false accept rate of {far:g} takes {1 / far:.0f} impostors, got {len(impostors)}")
    ranked = impostors.double().sort(descending=True).values
    # So many may be accepted; of a tie with the next, which may not, none.
    return torch.nextafter(ranked[int(len(ranked) * far + 1e-9)], torch.tensor(torch.inf, dtype=torch.float64)).item()


def accepted(scores: Tensor, threshold: float) -> Tensor:
    """Which pairs are taken for one person, bool [N]."""
    return scores.double() >= threshold


def equal_error_rate(genuine: Tensor, impostors: Tensor) -> float:
    """Where as many genuine pairs are refused as impostors are accepted; 0.5 is chance."""
    return float(binary_eer(*_labelled(genuine, impostors)))


def auc(genuine: Tensor, impostors: Tensor) -> float:
    """The chance that a genuine pair scores higher than an impostor, a tie counting half."""
    return float(binary_auroc(*_labelled(genuine, impostors)))


def roc(genuine: Tensor, impostors: Tensor) -> Roc:
    false_accept, true_accept, _ = binary_roc(*_labelled(genuine, impostors))
    return Roc(false_accept, true_accept)


class Verification(Metric):
    """`equal_error_rate`, `auc`, and the share of genuine pairs `accepted` at `threshold_at` these false accept rates.

    It keeps all scores: 8 bytes a pair. Where others than its own impostors should give the thresholds (photographs,
    of which nobody is synthesized), `update` takes the genuine pairs of the ones with the impostors of the others.

    Args:
        rates: what a rate is called -> false accept rate; `tar_at_far_NAME` is left out where `threshold_at` would
            refuse, for then there are too few impostors to tell.
    """

    full_state_update = False
    genuine: list[Tensor]
    impostors: list[Tensor]

    def __init__(self, rates: Mapping[str, float] | None = None) -> None:
        super().__init__()
        self.rates = dict(rates or {})
        self.add_state("genuine", [], dist_reduce_fx="cat")
        self.add_state("impostors", [], dist_reduce_fx="cat")

    def update(self, genuine: Tensor, impostors: Tensor) -> None:
        """Add scores, [N] of pairs of one person and [M] of pairs of two."""
        self.genuine.append(genuine.double())
        self.impostors.append(impostors.double())

    def compute(self) -> dict[str, Tensor]:
        """Name -> value."""
        genuine, impostors = dim_zero_cat(self.genuine), dim_zero_cat(self.impostors)
        found = {"eer": equal_error_rate(genuine, impostors), "auc": auc(genuine, impostors)}
        for name, far in self.rates.items():
            if len(impostors) * far >= 1:
                share = accepted(genuine, threshold_at(impostors, far)).double().mean()
                found[f"tar_at_far_{name}"] = share.item()
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in found.items()}


def _labelled(genuine: Tensor, impostors: Tensor) -> tuple[Tensor, Tensor]:
    """As torchmetrics wants them: numbers in [0, 1], for it would squash others, and what is true."""
    if not (len(genuine) and len(impostors)):
        raise ValueError(f"{len(genuine)} genuine pairs and {len(impostors)} impostors")
    scores = torch.cat([genuine, impostors]).double()
    if not scores.isfinite().all() or scores.abs().max() > 1 + 1e-6:
        raise ValueError("scores should be cosines")
    truth = torch.cat([torch.ones(len(genuine)), torch.zeros(len(impostors))]).long()
    return ((scores + 1) / 2).clamp(0, 1), truth
