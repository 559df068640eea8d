"""Batches for CVAE-GAN: images with who they show and two draws of noise, each a pure function of (seed, step)."""

import copy
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.shards import Faces


class Sampled(NamedTuple):
    """One process's part of a batch."""

    x: Tensor  # float32 [b, 3, S, S] in [-1, 1]
    c: Tensor  # identity, int64 [b]
    noise: Tensor  # of z of the image, standard normal, float32 [b, noise_dim]
    prior: Tensor  # z of anybody, standard normal, float32 [b, noise_dim]


class SampledBatches(Dataset[Sampled]):
    """Step => the images of that step, drawn with replacement.

    Args:
        faces: the images.
        rows: those to draw from.
        batch_size: images of a step, over all processes.
        seed: another seed is another order.
        noise_dim: size of z.
    """

    def __init__(self, faces: Faces, rows: np.ndarray, batch_size: int, seed: int, noise_dim: int) -> None:
        self.images = LabelledBatches(faces, rows, batch_size, seed, augment=None)
        self.names = self.images.names
        self.noise_dim = noise_dim

    def share(self, rank: int, world: int) -> Self:
        """The same batches as process `rank` of `world` gets them: an equal part of each."""
        other = copy.copy(self)
        other.images = self.images.share(rank, world)
        return other

    def __getitem__(self, step: int) -> Sampled:
        x, c, *_ = self.images[step]
        batch_size, rank, world = self.images.batch_size, self.images.rank, self.images.world
        rng = np.random.default_rng([self.images.seed, step, 2])
        drawn = torch.from_numpy(rng.standard_normal((2, batch_size, self.noise_dim), dtype=np.float32))
        noise, prior = drawn[:, rank * batch_size // world : (rank + 1) * batch_size // world]
        return Sampled(x, c, noise, prior)
