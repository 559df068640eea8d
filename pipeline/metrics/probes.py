"""What can be read from a code by a straight line: linear probes (Alain and Bengio 2016, arXiv:1610.01644)."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from pipeline.metrics.attributes import Attribute, errors, mean_error

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


def read(attribute: Attribute, x: Tensor, truly: Tensor, x_new: Tensor) -> Tensor:
    """An attribute as a probe reads it from new codes, float64 [M]; an angle is read by its sine and cosine.

    Args:
        attribute: kind and range.
        x: codes [N, d].
        truly: what it is, [N].
        x_new: codes [M, d].
    """
    if attribute.kind != "circular":
        return predict(x, truly[:, None], x_new)[:, 0]
    turn = (truly - attribute.low) / (attribute.high - attribute.low) * 2 * torch.pi
    sine, cosine = predict(x, torch.stack([turn.sin(), turn.cos()], 1), x_new).T
    return attribute.low + (torch.atan2(sine, cosine) / (2 * torch.pi)).remainder(1) * (attribute.high - attribute.low)


class LinearProbe(Metric):
    """What a probe reads of codes, after it was fitted to others; it keeps them all: 8 d bytes an image."""

    full_state_update = False
    codes: list[Tensor]
    truth: list[Tensor]
    codes_fitted: list[Tensor]
    truth_fitted: list[Tensor]

    def __init__(self) -> None:
        super().__init__()
        for name in ("codes", "truth", "codes_fitted", "truth_fitted"):
            self.add_state(name, [], dist_reduce_fx="cat")

    def update(self, codes: Tensor, truth: Tensor, fitted: bool) -> None:
        """Add codes [B, d] and what there is to read in them, [B]: for the probe to be fitted to, or to be asked."""
        (self.codes_fitted if fitted else self.codes).append(codes.double())
        (self.truth_fitted if fitted else self.truth).append(truth)

    def _all(self) -> list[Tensor]:
        """Codes and truth to fit, codes and truth to ask."""
        return [dim_zero_cat(state) for state in (self.codes_fitted, self.truth_fitted, self.codes, self.truth)]


class ProbeAccuracy(LinearProbe):
    """The share of codes whose class, an int64, `classify` reads."""

    def compute(self) -> Tensor:
        codes_fitted, labels_fitted, codes, labels = self._all()
        return (classify(codes_fitted, labels_fitted, codes) == labels).double().mean()


class ProbeError(LinearProbe):
    """`mean_error` of an attribute as it is `read` from codes."""

    def __init__(self, attribute: Attribute) -> None:
        super().__init__()
        self.attribute = attribute

    def compute(self) -> Tensor:
        codes_fitted, truly_fitted, codes, truly = self._all()
        said = read(self.attribute, codes_fitted, truly_fitted.double(), codes)
        error = errors(self.attribute, said, truly, torch.ones_like(truly, dtype=torch.bool))
        return mean_error(self.attribute, error, truly)
