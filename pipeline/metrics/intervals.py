"""How sure a number is: 95 % intervals over people, because pictures of one person are no independent draws.

* Of means over pairs of a subject and a sample: both kinds of people are drawn again with replacement, each on its own.
  This is the two-way, or pigeonhole, bootstrap (Owen 2007, arXiv:0712.1111).
* Of means over people's pictures: people are drawn again with replacement.
* Of distances between sets: random halves of the people without replacement, because copies would bias a distance.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

RESAMPLES = 1000
HALVES = 20
LEVEL = 0.95
NORMAL = 1.96  # half the width of a 95 % interval, in standard deviations


class Estimate(NamedTuple):
    """A number with its 95 % interval and the count of images (or pairs) behind it."""

    value: float
    low: float  # NaN, like `high`, where there are too few to tell
    high: float
    n: int


class Resamples(NamedTuple):
    """How often each row counts in each resample; the same for all that is compared, so that differences can be had."""

    weights: Tensor  # float64 [RESAMPLES, B]


def resamples(*people: Tensor, seed: int = 0, count: int = RESAMPLES) -> Resamples:
    """Rows drawn again by their people.

    Args:
        *people: int64 [B] each; subjects and samples, or only whose picture each row is.
        seed: another seed is another draw.
        count: of resamples.
    """
    if not people or len({tuple(p.shape) for p in people}) != 1 or people[0].ndim != 1:
        raise ValueError(f"people should be [B] each, alike: {[tuple(p.shape) for p in people]}")
    generator = torch.Generator().manual_seed(seed)
    weights = torch.ones(count, len(people[0]), dtype=torch.float64)
    for labels in people:
        known, place = labels.unique(return_inverse=True)
        drawn = torch.randint(len(known), (count, len(known)), generator=generator)
        times = torch.zeros(count, len(known), dtype=torch.float64)
        times.scatter_add_(1, drawn, torch.ones_like(drawn, dtype=torch.float64))
        weights *= times[:, place]
    return Resamples(weights)


def mean(column: Tensor, over: Resamples, groups: Tensor | None = None, counted: Tensor | None = None) -> Estimate:
    """The mean of a column, [B].

    Args:
        column: a number a row.
        over: the resamples of these rows.
        groups: int64 [B]: the mean over groups of their means, so that each counts the same, however rare (the error
            of a yes/no attribute: 1 - balanced accuracy).
        counted: bool [B]; all, if left out.

    Raises:
        ValueError: shapes differ, a counted number is not finite, or nothing is counted.
    """
    value, drawn = _drawn(column, over, groups, counted)
    return _estimate(value, drawn, int(counted.sum()) if counted is not None else len(column))


def gap(column: Tensor, over: Resamples, parts: Sequence[Tensor], groups: Tensor | None = None) -> Estimate:
    """The difference between the parts of the rows with the largest and with the least mean.

    The two parts are those that all rows name, in every resample: so the interval reaches below 0 where chance could
    have turned them round.

    Args:
        column: a number a row.
        over: the resamples of these rows.
        parts: bool [B] each, which rows are counted in it.
        groups: as in `mean`.
    """
    values, drawn = zip(*(_drawn(column, over, groups, part) for part in parts), strict=True)
    order = torch.cat(values).argsort()
    least, most = int(order[0]), int(order[-1])
    counted = int(torch.stack(list(parts)).any(0).sum())
    return _estimate(values[most] - values[least], drawn[most] - drawn[least], counted)


def gap_of(parts: Sequence[Estimate]) -> Estimate:
    """The difference between the largest and the least of estimates of different people.

    Nobody is in two of them, so their standard deviations add up as squares do; the intervals have to be as wide as
    these say, cut nowhere.
    """
    least, most = min(parts), max(parts)
    value, reach = most.value - least.value, math.hypot(most.high - most.low, least.high - least.low) / 2
    return Estimate(value, value - reach, value + reach, sum(part.n for part in parts))


def _drawn(column: Tensor, over: Resamples, groups: Tensor | None, counted: Tensor | None) -> tuple[Tensor, Tensor]:
    """The mean, [1], and the means of the resamples, [R]; NaN where a resample has no row that counts."""
    rows = [part for part in (column, groups, counted) if part is not None]
    if any(part.shape != over.weights.shape[1:] for part in rows):
        raise ValueError(f"rows differ: {[tuple(x.shape) for x in (*rows, over.weights)]}")
    x, weights = column.double(), over.weights
    shown = torch.ones(len(x), dtype=torch.bool) if counted is None else counted
    if not shown.any() or not x[shown].isfinite().all():
        raise ValueError("a counted number is not finite" if shown.any() else "nothing is counted")
    parts = shown[None] if groups is None else torch.stack([shown & (groups == g) for g in groups[shown].unique()])
    once = torch.ones(1, len(x), dtype=torch.float64)
    return _grouped(x, once, parts), _grouped(x, weights, parts)


def _estimate(value: Tensor, drawn: Tensor, n: int) -> Estimate:
    drawn = drawn[drawn.isfinite()]
    low, high = drawn.quantile(torch.tensor([(1 - LEVEL) / 2, (1 + LEVEL) / 2], dtype=torch.float64)).tolist()
    return Estimate(value.item(), low, high, n)


def _grouped(x: Tensor, weights: Tensor, parts: Tensor) -> Tensor:
    """Mean over parts, bool [G, B], of weighted means, [R]; NaN where a draw has no row."""
    summed = torch.cat([torch.where(parts, x, 0), parts.double()])
    sums, counts = (weights @ summed.T).chunk(2, 1)  # the weights, megabytes, are read once and not copied
    return (sums / counts).nanmean(1)


def by_halves(
    statistics: Callable[[Tensor], Mapping[str, float]], people: int, n: int, seed: int = 0, count: int = HALVES
) -> dict[str, Estimate]:
    """Distances between sets, their standard deviation from what halves of the people say of them.

    With halves, the variance over subsets is that of the whole (the delete-half jackknife, Shao and Wu 1989). Halves
    are fewer images, which raises a Fréchet distance, so the interval lies around the value of the whole.

    Args:
        statistics: bool [people], which of them count => name -> distance; NaN where there are too few.
        people: how many.
        n: of images.
        seed: another seed is other halves.
        count: of halves.

    Raises:
        ValueError: two people are needed.
    """
    if people < 2:
        raise ValueError(f"halves take at least 2 people, got {people}")
    generator = torch.Generator().manual_seed(seed)
    values = statistics(torch.ones(people, dtype=torch.bool))
    drawn = []
    for _ in range(count):
        chosen = torch.zeros(people, dtype=torch.bool)
        chosen[torch.randperm(people, generator=generator)[: people // 2]] = True
        drawn.append(list(statistics(chosen).values()))
    reach = NORMAL * torch.tensor(drawn, dtype=torch.float64).std(0)
    return {
        name: Estimate(value, value - r, value + r, n)
        for (name, value), r in zip(values.items(), reach.tolist(), strict=True)
    }
