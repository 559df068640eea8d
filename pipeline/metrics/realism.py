"""Do the faces look like photographs, as a set? The Fréchet distance between Gaussians fitted to features.

With the features of Inception it is FID (Heusel et al. 2017, arXiv:1706.08500). It falls as the number of
images grows, so values compare at equal numbers only.
"""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric

INCEPTION_DIM = 2048


class Gaussian(NamedTuple):
    """What is left of a set of features."""

    mean: Tensor  # float64 [d]
    covariance: Tensor  # float64 [d, d], unbiased


def fit(features: Tensor) -> Gaussian:
    """The Gaussian of features [N, d]."""
    _check_count(len(features))
    x = features.double()
    centred = x - x.mean(0)
    return Gaussian(x.mean(0), centred.T @ centred / (len(x) - 1))


def frechet_distance(a: Gaussian, b: Gaussian) -> Tensor:
    """|m_a - m_b|² + tr(S_a + S_b - 2 (S_a^½ S_b S_a^½)^½), a float64 scalar.

    The symmetric product has the eigenvalues of S_a S_b, and unlike it a real eigendecomposition, also where
    there are fewer images than dimensions and both are singular.
    """
    if a.mean.shape != b.mean.shape:
        raise ValueError(f"dimensions differ: {tuple(a.mean.shape)} and {tuple(b.mean.shape)}")
    values, vectors = torch.linalg.eigh(a.covariance)
    root = vectors * values.clamp(min=0).sqrt() @ vectors.T  # rounding makes zeros slightly negative
    cross = torch.linalg.eigvalsh(root @ b.covariance @ root).clamp(min=0).sqrt().sum()
    distance = (a.mean - b.mean).square().sum() + a.covariance.trace() + b.covariance.trace() - 2 * cross
    return distance.clamp(min=0)


def frechet_between(made: Tensor, real: Tensor) -> Tensor:
    """`frechet_distance` of the Gaussians of features [M, d] and [N, d], a float64 scalar.

    Fewer images than dimensions lie in a space of as many dimensions as there are images, and so do their means and all
    that their covariances say: there the distance is the same, and its roots are those of smaller matrices.
    """
    both = torch.cat([made, real]).double()
    if both.shape[0] < both.shape[1]:
        both = both @ torch.linalg.qr(both.T).Q
    return frechet_distance(fit(both[: len(made)]), fit(both[len(made) :]))


def at_infinity(real: Tensor, fake: Tensor, points: int = 5, seed: int = 0) -> float:
    """The Fréchet distance that endless images would have (Chong and Forsyth 2020, arXiv:1911.07023).

    It falls as 1/N, so a line through the distances of several N meets the axis there.

    Args:
        real: features [M, d], all of which are used every time.
        fake: features [N, d], of which from a half to all are drawn.
        points: of the line.
        seed: of the draws.
    """
    generator, whole = torch.Generator().manual_seed(seed), fit(real)
    counts = torch.linspace(len(fake) / 2, len(fake), points).long()
    distances = []
    for count in counts:
        drawn = fake[torch.randperm(len(fake), generator=generator)[:count]]
        distances.append(frechet_distance(fit(drawn), whole))
    x = torch.stack([1 / counts.double(), torch.ones(points, dtype=torch.float64)], 1)
    return float(torch.linalg.lstsq(x, torch.stack(distances)[:, None]).solution[1])


def warn_of_few(fakes: int, reals: int, dim: int) -> None:
    """Warn where there are fewer than two images a dimension: much of a Fréchet distance then is bias."""
    if min(fakes, reals) < 2 * dim:
        warnings.warn(
            f"{fakes} synthesized and {reals} real images are few for {dim} dimensions: "
            "compare this Fréchet distance only with others of the same numbers",
            stacklevel=2,
        )


class FrechetDistance(Metric):
    """`frechet_distance` between real and synthesized images, from batches of their features.

    Sums are float64, whatever the precision of the features and of autocast. `compute` warns where there are
    fewer than two images a dimension: much of the value then is bias.
    """

    full_state_update = False
    total: Tensor
    product: Tensor
    count: Tensor

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.dim = dim
        self.add_state("total", torch.zeros(2, dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("product", torch.zeros(2, dim, dim, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features [B, d] of real or of synthesized images."""
        if features.ndim != 2 or features.shape[1] != self.dim:
            raise ValueError(f"features should be [B, {self.dim}], not {tuple(features.shape)}")
        if not features.isfinite().all():
            raise ValueError("features are not finite")
        x = features.double()
        self.total[int(real)] += x.sum(0)
        self.product[int(real)] += x.T @ x
        self.count[int(real)] += len(x)

    def compute(self) -> Tensor:
        fakes, reals = self.count.tolist()
        warn_of_few(fakes, reals, self.dim)
        return frechet_distance(self._gaussian(0), self._gaussian(1))

    def _gaussian(self, row: int) -> Gaussian:
        count = int(self.count[row])
        _check_count(count)
        mean = self.total[row] / count
        return Gaussian(mean, (self.product[row] - count * mean.outer(mean)) / (count - 1))


def inception(path: Path, device: torch.device | str = "cpu") -> Callable[[Tensor], Tensor]:
    """NVIDIA's TorchScript of the Inception that defines FID: uint8 [B, 3, S, S] RGB -> features [B, 2048].

    The script brings all images to 299 pixels by itself, without antialiasing, so larger ones are refused
    rather than aliased. Torch interprets it: unlike loading a pickle, this runs no Python of others.
    """
    network = torch.jit.load(str(path), map_location=device).eval()

    @torch.inference_mode()
    def features(images: Tensor) -> Tensor:
        if images.dtype != torch.uint8 or images.ndim != 4 or images.shape[1] != 3:
            raise ValueError(f"images should be uint8 [B, 3, S, S], not {images.dtype} {tuple(images.shape)}")
        if max(images.shape[2:]) > 299:
            raise ValueError(f"images of {max(images.shape[2:])} pixels: shrink them to 299, antialiased")
        result: Tensor = network(images.to(device), return_features=True)
        return result

    return features


def _check_count(count: int) -> None:
    if count < 2:
        raise ValueError(f"a covariance takes at least 2 images, got {count}")
