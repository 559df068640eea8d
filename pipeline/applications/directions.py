"""In which direction a code goes when one thing of a face changes, by ridge regression on rendered heads.

Two lines are fitted to heads whose numbers are known. From numbers to code: what a unit of each number changes, the
others held; edits go there. From code to numbers: what a code says now, which `--to` has to know. The reverse of the
second is no good direction: it also cancels whatever else the code holds (Haufe et al. 2014,
doi:10.1016/j.neuroimage.2013.10.067).
"""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self

import numpy as np
import torch

from pipeline.datasets.heads import Dimension
from pipeline.metrics.probes import predict

EQUAL = 1e-3  # codes whose lengths differ by less, as a share, lie on a sphere, and stay there
TURN = 2 * np.pi


def features(dimension: Dimension, values: np.ndarray) -> np.ndarray:
    """Numbers [N] as a line can read them, float64 [N, k]: an angle by its sine and cosine, any other as it is."""
    values = np.asarray(values, np.float64)
    if dimension.kind != "circular":
        return values[:, None]
    turn = (values - dimension.low) / (dimension.high - dimension.low) * TURN
    return np.stack([np.sin(turn), np.cos(turn)], 1)


def values(dimension: Dimension, features: np.ndarray) -> np.ndarray:
    """The numbers [N] of features [N, k]."""
    if dimension.kind != "circular":
        return features[:, 0]
    turn = np.arctan2(features[:, 0], features[:, 1]) / TURN % 1
    return dimension.low + turn * (dimension.high - dimension.low)


class Directions(NamedTuple):
    """Of one code [d], f_I or z, and of all numbers that are to be seen in it, whose features are K together."""

    steps: np.ndarray  # float64 [K, d]: the code's change by a unit of each feature
    weights: np.ndarray  # float64 [d, K]: of the probe that reads features from a code
    bias: np.ndarray  # float64 [K]
    clarity: np.ndarray  # float64 [n]: share of each number's variance that the probe explains of new people
    length: np.ndarray  # float64 [1]: of every code; 0 where they have several

    @classmethod
    def fit(cls, code: np.ndarray, vectors: np.ndarray, known: tuple[Dimension, ...], person: np.ndarray) -> Self:
        """From heads of at least six people.

        Args:
            code: [N, d].
            vectors: [N, len(known)], the true numbers.
            known: what they are.
            person: whose each is, int [N], for `clarity`.
        """
        x = torch.from_numpy(np.asarray(code, np.float64))
        y = torch.from_numpy(np.concatenate([features(d, vectors[:, i]) for i, d in enumerate(known)], 1))
        steps, _ = _line(y, x)
        weights, bias = _line(x, y)
        half = torch.from_numpy(person % 2 == 0)
        read = torch.empty_like(y)
        for fitted, asked in ((half, ~half), (~half, half)):
            read[asked] = predict(x[fitted], y[fitted], x[asked])
        missed, spread = (read - y).square().sum(0), (y - y.mean(0)).square().sum(0)
        clarity = [1 - missed[p].sum() / spread[p].sum().clamp_min(1e-12) for _, p in _places(known)]
        lengths = np.linalg.norm(code, axis=1)
        alike = np.ptp(lengths) < EQUAL * lengths.mean()
        length = np.array([float(lengths.mean()) if alike else 0.0])
        return cls(steps.numpy(), weights.numpy(), bias.numpy(), np.array([float(c) for c in clarity]), length)

    def read(self, code: np.ndarray, known: tuple[Dimension, ...], name: str) -> np.ndarray:
        """The number of that name that codes [B, d] speak of, float64 [B]."""
        dimension, place = _place(known, name)
        return values(dimension, code @ self.weights[:, place] + self.bias[place])

    def moved(
        self, code: np.ndarray, known: tuple[Dimension, ...], name: str, now: np.ndarray, then: np.ndarray
    ) -> np.ndarray:
        """Codes [B, d] of which one number goes from `now` to `then`, [B] each."""
        dimension, place = _place(known, name)
        moved = code + (features(dimension, then) - features(dimension, now)) @ self.steps[place]
        if self.length[0]:
            moved *= self.length[0] / np.linalg.norm(moved, axis=1, keepdims=True)
        return moved.astype(code.dtype)


def fits(directions: Mapping[str, np.ndarray], known: tuple[Dimension, ...], size: int) -> bool:
    """Whether arrays by their names in `Directions` are of codes of this size and of these numbers."""
    count = sum(place.stop - place.start for _, place in _places(known))
    expected = {
        "steps": (count, size), "weights": (size, count), "bias": (count,), "clarity": (len(known),), "length": (1,)
    }  # fmt: skip
    return {name: array.shape for name, array in directions.items()} == expected


def _line(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Slope [d, k] and offset [k] of the ridge regression from x to y."""
    width = x.shape[1]
    at = predict(x, y, torch.cat([torch.zeros(1, width), torch.eye(width)]).double())
    return at[1:] - at[0], at[0]


def _places(known: tuple[Dimension, ...]) -> Iterator[tuple[Dimension, slice]]:
    """Where each number's features are among all."""
    start = 0
    for dimension in known:
        width = 2 if dimension.kind == "circular" else 1
        yield dimension, slice(start, start + width)
        start += width


def _place(known: tuple[Dimension, ...], name: str) -> tuple[Dimension, slice]:
    return next((dimension, place) for dimension, place in _places(known) if dimension.name == name)
