"""Batches of pairs, each a pure function of (seed, step): the same whatever the number of processes or workers."""

import copy
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.datasets.shards import Faces


class Pairs(NamedTuple):
    """One process's part of a batch; images are float32 [b, 3, S, S] in [-1, 1]."""

    x_s: Tensor
    x_a: Tensor
    c: Tensor  # identity of x_s, int64 [b]
    c_a: Tensor  # identity of x_a, int64 [b]
    noise: Tensor  # standard normal, float32 [b, noise_dim]
    same: bool  # x_a shows the person of x_s


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] => float32 [B, 3, S, S] in [-1, 1], channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(images)).permute(0, 3, 1, 2).float() / 127.5 - 1


def to_images(x: Tensor) -> np.ndarray:
    """float [B, 3, S, S] in [-1, 1] => uint8 [B, S, S, 3]."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


class PairBatches(Dataset[Pairs]):
    """Step => the pairs of that step: of two people at one step in `cross_every`, else of one person.

    Args:
        faces: the images.
        rows: those to draw from.
        batch_size: pairs of a step, over all processes.
        noise_dim: size of z.
        seed: another seed is another order.
        same_pairs: `image`: x_a is x_s (the paper); `person`: another image of the same person where there is one.
        cross_every: 2 alternates (the paper).
    """

    def __init__(
        self,
        faces: Faces,
        rows: np.ndarray,
        batch_size: int,
        noise_dim: int,
        seed: int,
        same_pairs: str,
        cross_every: int,
    ) -> None:
        self.faces, self.rows = faces, rows
        self.names, self.labels = np.unique(faces.column("identity", rows), return_inverse=True)
        self.of_person = [np.flatnonzero(self.labels == i) for i in range(len(self.names))]
        self.batch_size, self.noise_dim, self.seed = batch_size, noise_dim, seed
        self.same_pairs, self.cross_every = same_pairs, cross_every
        self.rank, self.world = 0, 1

    def share(self, rank: int, world: int) -> Self:
        """The same batches as process `rank` of `world` gets them: an equal part of each."""
        other = copy.copy(self)
        other.rank, other.world = rank, world
        return other

    def __getitem__(self, step: int) -> Pairs:
        rng = np.random.default_rng([self.seed, step])
        s = rng.integers(len(self.rows), size=self.batch_size)
        same = step % self.cross_every != self.cross_every - 1
        a = self._same(s, rng) if same else rng.integers(len(self.rows), size=self.batch_size)
        noise = rng.standard_normal((self.batch_size, self.noise_dim), dtype=np.float32)
        mine = slice(self.rank * self.batch_size // self.world, (self.rank + 1) * self.batch_size // self.world)
        x_s, x_a = (to_tensor(self.faces.images(self.rows[i[mine]])) for i in (s, a))
        c, c_a = (torch.from_numpy(self.labels[i[mine]]) for i in (s, a))
        return Pairs(x_s, x_a, c, c_a, torch.from_numpy(noise[mine]), same)

    def _same(self, s: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        if self.same_pairs == "image":
            return s
        # Any of the person's others: a random step around the circle of them, but not all the way.
        drawn = rng.random(len(s))
        return np.array([self._other(int(i), u) for i, u in zip(s, drawn, strict=True)])

    def _other(self, i: int, u: float) -> int:
        own = self.of_person[self.labels[i]]
        step = 1 + int(u * (len(own) - 1)) if len(own) > 1 else 0
        return int(own[(np.searchsorted(own, i) + step) % len(own)])
