"""Does the face have the sample's pose, expression, light and background? An error for each attribute.

| kind | error of an image | of many |
|---|---|---|
| continuous | absolute difference, in the attribute's unit | mean |
| circular | the shorter way round, in the attribute's unit | mean |
| binary | 1 where the answer is wrong, else 0; a probability of 0.5 is a yes | 1 - balanced accuracy |

A face that the judge does not find counts as a failure of its image, with the largest error that the
attribute allows. What cannot be seen (gaze behind closed lids) is not counted: `counted` says where.
"""

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torchmetrics import Metric


class Attribute(NamedTuple):
    """What an error has to know of an attribute."""

    kind: Literal["continuous", "circular", "binary"]
    low: float  # the range of its values; for a circular one, high is low once round
    high: float


def errors(attribute: Attribute, predicted: Tensor, target: Tensor, found: Tensor) -> Tensor:
    """Error of each image; shapes broadcast.

    Args:
        attribute: kind and range.
        predicted: the judge's estimate of the image; of a binary attribute, its probability.
        target: what it should be.
        found: bool, whether the judge found a face.
    """
    kind, low, high = attribute
    if kind == "continuous":
        error, worst = (predicted - target).abs(), high - low
    elif kind == "circular":
        around = (predicted - target).remainder(high - low)
        error, worst = torch.minimum(around, high - low - around), (high - low) / 2
    else:
        error, worst = ((predicted >= 0.5) != (target >= 0.5)).float(), 1.0
    error = torch.where(found, error, worst)
    if not error.isfinite().all():
        raise ValueError("an estimate of a found face, or a target, is not finite")
    return error


def mean_error(attribute: Attribute, error: Tensor, target: Tensor, counted: Tensor | None = None) -> Tensor:
    """One number for many images, a float64 scalar; NaN where nothing is counted.

    Args:
        attribute: kind and range.
        error: from `errors`.
        target: what it should be; of the same shape.
        counted: bool, of the same shape; all, if left out.
    """
    return _mean(*_sums(attribute, error, target, counted))


def unrelated_error(
    attribute: Attribute,
    predicted: Tensor,
    found: Tensor,
    person: Tensor,
    target: Tensor,
    target_person: Tensor,
    counted: Tensor | None = None,
) -> Tensor:
    """The error of a random other face, which an error has to be compared with: the mean over all pairs.

    Args:
        attribute: kind and range.
        predicted: the judge's estimates of real photographs, [N].
        found: bool [N], whether the judge found a face in them.
        person: int64 [N], whose photographs they are.
        target: what the synthesized faces should be, [B].
        target_person: int64 [B], whose photograph the sample is; the person's own photographs are left out.
        counted: bool [B], as in `mean_error`.
    """
    counted = torch.ones_like(target, dtype=torch.bool) if counted is None else counted
    total, count = torch.zeros(2, dtype=torch.float64), torch.zeros(2, dtype=torch.int64)
    for rows in torch.arange(len(target)).split(1024):  # all pairs of large sets would fill the memory
        t = target[rows, None]
        error = errors(attribute, predicted[None], t, found[None])
        others = (person[None] != target_person[rows, None]) & counted[rows, None]
        part = _sums(attribute, error, t.expand_as(error), others)
        total, count = total + part[0], count + part[1]
    return _mean(total, count)


class MeanAttributeError(Metric):
    """`mean_error` over batches."""

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self, attribute: Attribute) -> None:
        super().__init__()
        self.attribute = attribute
        self.add_state("total", torch.zeros(2, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(2, dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, predicted: Tensor, target: Tensor, found: Tensor, counted: Tensor | None = None) -> None:
        error = errors(self.attribute, predicted, target, found)
        total, count = _sums(self.attribute, error, target, counted)
        self.total += total
        self.count += count

    def compute(self) -> Tensor:
        return _mean(self.total, self.count)


def _sums(attribute: Attribute, error: Tensor, target: Tensor, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """Sum and number of errors for no and yes, [2] each; all count as no where there is no yes."""
    shapes = {tuple(part.shape) for part in (error, target, counted) if part is not None}
    if len(shapes) != 1:
        raise ValueError(f"shapes differ: {sorted(shapes)}")
    counted = torch.ones_like(error, dtype=torch.bool) if counted is None else counted
    yes = target >= 0.5 if attribute.kind == "binary" else torch.zeros_like(counted)
    groups = [counted & ~yes, counted & yes]
    return (
        torch.stack([error[group].double().sum() for group in groups]),
        torch.stack([group.sum() for group in groups]),
    )


def _mean(total: Tensor, count: Tensor) -> Tensor:
    """Mean over no and yes of their mean errors: each counts the same, however rare."""
    seen = count > 0
    return (total[seen] / count[seen]).mean()
