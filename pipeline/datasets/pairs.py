"""Batches of pairs, each a pure function of (seed, step): the same whatever the number of processes or workers."""

import copy
from collections.abc import Iterator
from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import UNLABELLED
from pipeline.errors import UserError

UNKNOWN = -1  # the label of an unlabelled face; the labels' terms leave it out (losses.py)
# What is drawn for a step beside its pairs has numbers of its own: one more of these moves none of the others.
STRANGERS, MIRRORED = 1, 2
LEVELS = np.arange(256, dtype=np.float32) / np.float32(127.5) - 1  # of a pixel


class Pairs(NamedTuple):
    """One process's part of a batch; images are float32 [b, 3, S, S] in [-1, 1]."""

    x_s: Tensor | None  # None: what is known of it is found at `s`
    x_a: Tensor
    c: Tensor  # identity of x_s, int64 [b], or UNKNOWN
    c_a: Tensor  # identity of x_a, int64 [b], or UNKNOWN
    noise: Tensor  # standard normal, float32 [b, noise_dim]
    same: bool  # x_a shows the person of x_s
    s: Tensor | None = None  # place of x_s among all that can be drawn, int64 [b]
    landmarks: Tensor | None = None  # of x_a, float32 [b, 5, 2], x and y in [-1, 1] from border to border


def to_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] => float32 [B, 3, S, S] in [-1, 1], channels last in memory."""
    # A table: one pass over memory rather than three, and no wait for torch's other threads, which are training.
    return torch.from_numpy(LEVELS.take(images)).permute(0, 3, 1, 2)


def to_images(x: Tensor) -> np.ndarray:
    """float [B, 3, S, S] in [-1, 1] => uint8 [B, S, S, 3]."""
    return ((x.float().clamp(-1, 1) + 1) * 127.5).round().byte().permute(0, 2, 3, 1).contiguous().cpu().numpy()


def from_border_to_border(points: np.ndarray, side: int) -> np.ndarray:
    """Landmarks in pixels, [..., 2], of images with this side => x and y in [-1, 1]."""
    return 2 * (points + 0.5) / side - 1


class PairBatches(Dataset[Pairs]):
    """Step => the pairs of that step: of two people at one step in `cross_every`, else of one.

    In a pair of one person x_a is x_s itself, mirrored or not: the right answer is known. Of two people each image is
    mirrored or not on its own: x' has to show x_s as it stands in the pose of x_a as that stands, whatever became of
    the other. That a person's mirror image is the same person is what every recogniser takes for granted.

    Args:
        faces: the images.
        rows: those to draw from whose people are known.
        batch_size: pairs of a step, over all processes.
        noise_dim: size of z.
        seed: another seed is another order.
        cross_every: 2 alternates (the paper).
        unlabelled: share of x_s and of x_a that is drawn from the unlabelled faces instead.
        flip: half of the pairs, of two people half of the images, are mirrored.
        places: give the place of x_s, not its pixels.

    Raises:
        UserError: unlabelled faces are wanted, and there are none.
        ValueError: places of mirrored images.
    """

    def __init__(
        self,
        faces: Faces,
        rows: np.ndarray,
        batch_size: int,
        noise_dim: int,
        seed: int,
        cross_every: int,
        unlabelled: float,
        flip: bool,
        places: bool = False,
    ) -> None:
        if flip and places:
            raise ValueError("a place does not tell whether the image is mirrored")
        strangers = unlabelled_rows(faces) if unlabelled else np.zeros(0, np.int64)
        self.faces, self.rows, self.labelled = faces, np.concatenate([rows, strangers]), len(rows)
        self.names, labels = np.unique(faces.column("identity", rows), return_inverse=True)
        self.labels = np.concatenate([labels, np.full(len(strangers), UNKNOWN)])
        known = faces.has("landmarks", self.rows)
        self.landmarks = faces.column("landmarks", self.rows).reshape(-1, 5, 2) if known else None
        self.batch_size, self.noise_dim, self.seed = batch_size, noise_dim, seed
        self.cross_every = cross_every
        self.unlabelled, self.flip, self.places = unlabelled, flip, places
        self.rank, self.world = 0, 1

    def share(self, rank: int, world: int) -> Self:
        """The same batches as process `rank` of `world` gets them: an equal part of each."""
        other = copy.copy(self)
        other.rank, other.world = rank, world
        return other

    def __getitem__(self, step: int) -> Pairs:
        rng = np.random.default_rng([self.seed, step])
        s = rng.integers(self.labelled, size=self.batch_size)
        same = step % self.cross_every != self.cross_every - 1
        a = s if same else rng.integers(self.labelled, size=self.batch_size)
        noise = rng.standard_normal((self.batch_size, self.noise_dim), dtype=np.float32)
        s, a = self._with_strangers(s, a, same, step)
        mirrored = self._mirrored(same, step)
        mine = slice(self.rank * self.batch_size // self.world, (self.rank + 1) * self.batch_size // self.world)
        x_s = None if self.places else self._images(s[mine], mirrored[0, mine])
        x_a = self._images(a[mine], mirrored[1, mine])
        c, c_a = (torch.from_numpy(self.labels[i[mine]]) for i in (s, a))
        landmarks = self._landmarks(a[mine], mirrored[1, mine], x_a.shape[-1])
        return Pairs(x_s, x_a, c, c_a, torch.from_numpy(noise[mine]), same, torch.from_numpy(s[mine]), landmarks)

    def in_order(self, images: int, at_once: int) -> Iterator[Tensor]:
        """The first so many images by place, not mirrored, some at a time; behind the labelled ones come the others."""
        for places in np.split(np.arange(images), range(at_once, images, at_once)):
            yield self._images(places, np.zeros(len(places), bool))

    def _with_strangers(self, s: np.ndarray, a: np.ndarray, same: bool, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Some of the images replaced by unlabelled ones."""
        if not self.unlabelled:
            return s, a
        rng = np.random.default_rng([self.seed, step, STRANGERS])
        replaced = rng.random((2, self.batch_size)) < self.unlabelled
        strangers = rng.integers(self.labelled, len(self.rows), size=(2, self.batch_size))
        if same:
            replaced[1], strangers[1] = replaced[0], strangers[0]
        return np.where(replaced[0], strangers[0], s), np.where(replaced[1], strangers[1], a)

    def _mirrored(self, same: bool, step: int) -> np.ndarray:
        """Which of x_s and of x_a are mirrored, bool [2, B]."""
        if not self.flip:
            return np.zeros((2, self.batch_size), bool)
        mirrored = np.random.default_rng([self.seed, step, MIRRORED]).random((2, self.batch_size)) < 0.5
        return mirrored[[0, 0]] if same else mirrored

    def _images(self, places: np.ndarray, mirrored: np.ndarray) -> Tensor:
        images = self.faces.images(self.rows[places])
        # No albumentations: it would need a seed an image, and the same one twice for a pair, to reverse an axis.
        images[mirrored] = images[mirrored, :, ::-1]
        return to_tensor(images)

    def _landmarks(self, places: np.ndarray, mirrored: np.ndarray, side: int) -> Tensor | None:
        """Of these images, as they are drawn; who is on the left stays on the left."""
        if self.landmarks is None:
            return None
        points = from_border_to_border(self.landmarks[places], side)
        points[mirrored] = points[mirrored][:, [1, 0, 2, 4, 3]] * np.array([-1, 1], np.float32)
        return torch.from_numpy(points.astype(np.float32))


def unlabelled_rows(faces: Faces) -> np.ndarray:
    """Rows of the unlabelled faces.

    Raises:
        UserError: there are none.
    """
    if UNLABELLED not in faces.coded("split")[1]:
        raise UserError(
            f"train.unlabelled is above 0, and {faces.folder} has no unlabelled face: add some "
            "(data.rendered.unlabelled, or photographs in data.unlabelled), or set it to 0"
        )
    return faces.of_split(UNLABELLED)
