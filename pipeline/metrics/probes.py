"""What can be read from a code by a straight line: linear probes (Alain and Bengio 2016, arXiv:1610.01644)."""

import torch
from torch import Tensor

STRENGTHS = 10.0 ** torch.arange(-4, 5, dtype=torch.float64)  # of ridge regression, times the number of rows


def predict(x: Tensor, y: Tensor, x_new: Tensor) -> Tensor:
    """Ridge regression from x [N, d] to y [N, k], applied to x_new [M, d]: float64 [M, k].

    Codes are standardised by x. The strength is the one of STRENGTHS whose squared error is least when each row is
    left out in turn, which has a closed form; a probe that was fitted too closely would hide what there is to read.

    Raises:
        ValueError: shapes do not match, there are fewer than three rows, or a number is not finite.
    """
    if x.ndim != 2 or y.ndim != 2 or len(x) != len(y) or x.shape[1:] != x_new.shape[1:]:
        raise ValueError(f"shapes do not match: {tuple(x.shape)}, {tuple(y.shape)}, {tuple(x_new.shape)}")
    if len(x) < 3:
        raise ValueError(f"a probe takes at least 3 rows, got {len(x)}")
    if not all(part.isfinite().all() for part in (x, y, x_new)):
        raise ValueError("a code or what should be read is not finite")
    x, y, x_new = x.double(), y.double(), x_new.double()
    spread = x.std(0).clamp(min=1e-12)
    z, z_new, centred = (x - x.mean(0)) / spread, (x_new - x.mean(0)) / spread, y - y.mean(0)
    u, s, vt = torch.linalg.svd(z, full_matrices=False)
    along = u.T @ centred
    errors = []
    for strength in STRENGTHS:
        kept = s**2 / (s**2 + strength * len(x))
        fitted = u @ (kept[:, None] * along)
        influence = (u**2 @ kept + 1 / len(x)).clamp(max=1 - 1e-9)  # the mean is fitted too
        errors.append(((centred - fitted) / (1 - influence)[:, None]).square().mean())
    strength = STRENGTHS[torch.stack(errors).argmin()] * len(x)
    return z_new @ vt.T @ ((s / (s**2 + strength))[:, None] * along) + y.mean(0)


def classify(x: Tensor, labels: Tensor, x_new: Tensor) -> Tensor:
    """The class of each row of x_new, int64 [M], by the largest output of a probe that was fitted to 0 and 1.

    Args:
        x: codes [N, d].
        labels: int64 [N].
        x_new: codes [M, d].
    """
    classes, place = labels.unique(return_inverse=True)
    return classes[predict(x, torch.nn.functional.one_hot(place, len(classes)).double(), x_new).argmax(1)]
