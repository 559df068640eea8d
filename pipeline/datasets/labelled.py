"""Batches for recognisers: images with who and how they are, each a pure function of (seed, step)."""

import copy
from typing import TYPE_CHECKING, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.pairs import from_border_to_border, to_images, to_tensor
from pipeline.datasets.shards import Faces

if TYPE_CHECKING:  # it takes a second to import, and only those who augment need it
    from pipeline.datasets.augmentation import Augmentation


class Labelled(NamedTuple):
    """One process's part of a batch."""

    x: Tensor  # float32 [b, 3, S, S] in [-1, 1]
    c: Tensor  # identity, int64 [b]
    attributes: Tensor  # float32 [b, a] in their own units; a is 0 where they are unknown
    landmarks: Tensor  # float32 [b, 5, 2], x and y in [-1, 1] from border to border; [b, 0, 2] where they are unknown


class LabelledBatches(Dataset[Labelled]):
    """Step => the images of that step, drawn with replacement.

    Args:
        faces: the images.
        rows: those to draw from.
        batch_size: images of a step, over all processes.
        seed: another seed is another order.
        augment: applied to each image, or None.
    """

    def __init__(
        self,
        faces: Faces,
        rows: np.ndarray,
        batch_size: int,
        seed: int,
        augment: "Augmentation | None",
    ) -> None:
        self.faces, self.rows, self.augment = faces, rows, augment
        self.names, self.labels = np.unique(faces.column("identity", rows), return_inverse=True)
        self.attributes = _known(faces, "attribute_vector", rows)
        self.landmarks = _known(faces, "landmarks", rows).reshape(len(rows), -1, 2)
        self.batch_size, self.seed = batch_size, seed
        self.rank, self.world = 0, 1

    def share(self, rank: int, world: int) -> Self:
        """The same batches as process `rank` of `world` gets them: an equal part of each."""
        other = copy.copy(self)
        other.rank, other.world = rank, world
        return other

    def __getitem__(self, step: int) -> Labelled:
        drawn = np.random.default_rng([self.seed, step]).integers(len(self.rows), size=self.batch_size)
        first, last = (k * self.batch_size // self.world for k in (self.rank, self.rank + 1))
        images = self.faces.images(self.rows[drawn[first:last]])
        if self.augment is not None:
            images = np.stack([self.augment(x, self._stream(step, i)) for i, x in enumerate(images, first)])
        mine = drawn[first:last]
        landmarks = from_border_to_border(self.landmarks[mine], images.shape[1])
        known = (self.labels[mine], self.attributes[mine], landmarks)
        return Labelled(to_tensor(images), *map(torch.from_numpy, known))

    def _stream(self, step: int, i: int) -> int:
        """Seed of an image's augmentation: its number among all that are seen, so no two have the same.

        Of drawn numbers some would be: of 80,000 with 31 bits, one or two pairs.
        """
        return self.seed << 64 | step * self.batch_size + i


def _known(faces: Faces, name: str, rows: np.ndarray) -> np.ndarray:
    """Vectors of the index, float32 [n, d]; d is 0 where one is missing."""
    return faces.column(name, rows) if faces.has(name, rows) else np.zeros((len(rows), 0), np.float32)


def batch_picture(batches: LabelledBatches, columns: int = 8) -> np.ndarray:
    """The first batch as a recogniser is shown it, uint8."""
    images = to_images(batches[0].x)
    columns = min(columns, len(images))
    rows = [list(images[i : i + columns]) for i in range(0, len(images) - columns + 1, columns)]
    return tiled(rows)
