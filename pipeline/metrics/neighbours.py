"""Do synthesized faces lie among the real ones, and everywhere among them? By balls around each image.

The ball around an image reaches to its k-th nearest neighbour of the same set. Precision and recall after Kynkäänniemi
et al. 2019 (arXiv:1904.06991), density and coverage after Naeem et al. 2020 (arXiv:2002.09797).
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

AT_ONCE = 1024  # rows of the table of distances; the whole one of 10,000 by 10,000 would take 800 MB


class Prdc(NamedTuple):
    """All are shares but density, which can pass 1."""

    precision: float  # synthesized images within any ball of a real one
    recall: float  # real images within any ball of a synthesized one
    density: float  # balls of real images that a synthesized one is in, over k
    coverage: float  # real images whose ball has a synthesized one in it


def prdc(real: Tensor, fake: Tensor, k: int = 5) -> Prdc:
    """Of features [N, d] and [M, d], in float64; a point on a ball is in it.

    Raises:
        ValueError: a set has not more than k images, or features are not finite.
    """
    if real.ndim != 2 or fake.ndim != 2 or real.shape[1] != fake.shape[1]:
        raise ValueError(f"features should be [N, d] and [M, d]: {tuple(real.shape)}, {tuple(fake.shape)}")
    if min(len(real), len(fake)) <= k:
        raise ValueError(f"{len(real)} real and {len(fake)} synthesized images have not all {k} neighbours")
    if not (real.isfinite().all() and fake.isfinite().all()):
        raise ValueError("features are not finite")
    real, fake = real.double(), fake.double()
    radius_real, radius_fake = _radii(real, k), _radii(fake, k)
    balls = torch.zeros(len(fake), dtype=torch.int64)
    recalled, covered = [], []
    for rows in torch.arange(len(real)).split(AT_ONCE):
        distance = torch.cdist(real[rows], fake)
        within = distance <= radius_real[rows, None]
        balls += within.sum(0)
        covered.append(within.any(1))
        recalled.append((distance <= radius_fake).any(1))
    return Prdc(
        precision=(balls > 0).double().mean().item(),
        recall=torch.cat(recalled).double().mean().item(),
        density=balls.double().mean().item() / k,
        coverage=torch.cat(covered).double().mean().item(),
    )


def _radii(points: Tensor, k: int) -> Tensor:
    """Distance of each point to its k-th nearest other, float64 [N]."""
    parts = []
    for rows in torch.arange(len(points)).split(AT_ONCE):
        distance = torch.cdist(points[rows], points)
        distance[torch.arange(len(rows)), rows] = torch.inf  # not itself, also where rounding says otherwise
        parts.append(distance.kthvalue(k, dim=1).values)
    return torch.cat(parts)


class NeighbourMetrics(Metric):
    """`prdc` over batches of features; it keeps them all: 8 d bytes an image."""

    full_state_update = False
    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self, k: int = 5) -> None:
        super().__init__()
        self.k = k
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features [B, d] of real or of synthesized images."""
        (self.real if real else self.fake).append(features.double())

    def compute(self) -> dict[str, Tensor]:
        """Name -> value."""
        values = prdc(dim_zero_cat(self.real), dim_zero_cat(self.fake), self.k)
        return {name: torch.tensor(value, dtype=torch.float64) for name, value in values._asdict().items()}
