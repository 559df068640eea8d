"""How far two sets of features are apart by a kernel: an estimate without bias, unlike a Fréchet distance.

With the features of Inception it is KID (Bińkowski et al. 2018, arXiv:1801.01401).
"""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

AT_ONCE = 1024  # rows of the table of kernels; the whole one of 10,000 by 10,000 would take 800 MB


def kernel_distance(a: Tensor, b: Tensor) -> Tensor:
    """The squared maximum mean discrepancy under (x·y / d + 1)³, without bias, a float64 scalar that may be below 0.

    Args:
        a: features [N, d].
        b: features [M, d].

    Raises:
        ValueError: shapes do not match, a set has fewer than 2 images, or features are not finite.
    """
    if a.ndim != 2 or b.ndim != 2 or a.shape[1] != b.shape[1]:
        raise ValueError(f"features should be [N, d] and [M, d]: {tuple(a.shape)}, {tuple(b.shape)}")
    if min(len(a), len(b)) < 2:
        raise ValueError(f"at least 2 images of each set, got {len(a)} and {len(b)}")
    if not (a.isfinite().all() and b.isfinite().all()):
        raise ValueError("features are not finite")
    a, b = a.double(), b.double()
    return _within(a) + _within(b) - 2 * _summed(a, b) / (len(a) * len(b))


def _summed(x: Tensor, y: Tensor) -> Tensor:
    """The kernel of every x with every y."""
    return torch.stack([_kernel(rows @ y.T, x.shape[1]).sum() for rows in x.split(AT_ONCE)]).sum()


def _kernel(products: Tensor, dim: int) -> Tensor:
    return (products / dim + 1) ** 3


def _within(x: Tensor) -> Tensor:
    """Mean over pairs of two different images."""
    with_itself = _kernel(x.square().sum(1), x.shape[1]).sum()
    return (_summed(x, x) - with_itself) / (len(x) * (len(x) - 1))


class KernelDistance(Metric):
    """`kernel_distance` over batches of features; it keeps them all: 8 d bytes an image."""

    full_state_update = False
    real: list[Tensor]
    fake: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        self.add_state("real", [], dist_reduce_fx="cat")
        self.add_state("fake", [], dist_reduce_fx="cat")

    def update(self, features: Tensor, real: bool) -> None:
        """Add features [B, d] of real or of synthesized images."""
        (self.real if real else self.fake).append(features.double())

    def compute(self) -> Tensor:
        return kernel_distance(dim_zero_cat(self.real), dim_zero_cat(self.fake))
