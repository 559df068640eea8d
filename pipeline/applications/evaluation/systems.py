"""Systems whose score is known before it is measured: the instrument is tested on them before it is believed.

Each is asked for the same pairs of a subject and a sample as the model. docs/evaluation.md says what they have to
score, and tests/test_controls.py holds the committed evaluation to it.
"""

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np

from pipeline.datasets.protocol import Protocol
from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.true_answers import true_recombinations
from pipeline.training.spread import chunks

BLUR = 1.0  # standard deviation in pixels, of an image of 64
THUMBNAIL = 32  # pixels; at this size the nearest training image is looked for: 12 KB an image


class Asked(NamedTuple):
    """What every system is asked for, a row a pair."""

    faces: Faces  # real photographs
    people: Protocol  # whom they may show
    subject_rows: np.ndarray  # int64 [B], in `faces`: whom each synthesized face should show
    sample_rows: np.ndarray  # int64 [B], in `faces`: and how; [0] where no sample was asked

    def part(self, pairs: np.ndarray) -> "Asked":
        """Some of the pairs."""
        samples = self.sample_rows[pairs] if len(self.sample_rows) else self.sample_rows
        return self._replace(subject_rows=self.subject_rows[pairs], sample_rows=samples)

    @property
    def digest(self) -> str:
        """16 hexadecimal digits that say which pairs of these photographs they are, among which people."""
        galleries = np.array([len(own) for own in self.people.gallery])
        return digest(self.people.rows, galleries, self.subject_rows, self.sample_rows)

    def landmarks(self, rows: np.ndarray) -> np.ndarray:
        """Where they are in these photographs, float32 [B, 5, 2], pixels (x, y)."""
        return np.stack(list(self.faces.column("landmarks", rows))).reshape(-1, 5, 2)

    @property
    def truth_known(self) -> bool:
        """Whether the true recombinations are; those of rendered heads are."""
        rows = np.concatenate([self.subject_rows, self.sample_rows])
        return len(self.sample_rows) > 0 and self.faces.has("identity_vector", rows)


def digest(*rows: np.ndarray) -> str:
    """16 hexadecimal digits of some rows."""
    parts = (np.asarray(part, np.int64).tobytes() for part in rows)
    return hashlib.sha256(b"/".join(parts)).hexdigest()[:16]


# (some of the pairs, the true answers to them uint8 [B, S, S, 3], empty if nobody knows them) -> uint8 [B, S, S, 3]
Control = Callable[[Asked, np.ndarray], np.ndarray]


def controls(asked: Asked) -> dict[str, Control]:
    """Name -> system. Without known truth, those that need none."""
    if not len(asked.sample_rows):
        return {}
    made: dict[str, Control] = {
        "copy_sample": lambda a, _: a.faces.images(a.sample_rows),
        "copy_subject": lambda a, _: a.faces.images(a.subject_rows),
    }
    if set(asked.subject_rows.tolist()) <= set(np.concatenate(asked.people.probes).tolist()):
        made["another_photograph"] = lambda a, _: a.faces.images(another_photograph(a))
    if asked.truth_known:
        mean, train = mean_face(asked.faces, asked.people.rows), Thumbnails(asked.faces)
        made |= {
            "truth": lambda _, true: true,
            "truth_blurred": lambda _, true: np.stack([cv2.GaussianBlur(image, (0, 0), BLUR) for image in true]),
            "truth_of_another": lambda a, _: true_recombinations(a.faces, somebody_else(a), a.sample_rows),
            "mean_face": lambda a, _: np.repeat(mean[None], len(a.sample_rows), 0),
            "nearest_training_image": lambda _, true: train.nearest(true),
        }
    return made


def another_photograph(asked: Asked) -> np.ndarray:
    """A real photograph of each subject that was no input: rows of `faces`."""
    following = {int(row): int(rows[(i + 1) % len(rows)]) for rows in asked.people.probes for i, row in enumerate(rows)}
    return np.array([following[int(row)] for row in asked.subject_rows])


def somebody_else(asked: Asked) -> np.ndarray:
    """A photograph of a person who is neither the subject nor the sample's: rows of `faces`."""
    names, count = asked.faces.column("identity"), len(asked.people.names)
    number = {name: i for i, name in enumerate(asked.people.names)}
    chosen = []
    for s, a in zip(names[asked.subject_rows], names[asked.sample_rows], strict=True):
        step = 2 if (number[s] + 1) % count == number[a] else 1
        chosen.append(int(asked.people.probes[(number[s] + step) % count][0]))
    return np.array(chosen)


def mean_face(faces: Faces, rows: np.ndarray) -> np.ndarray:
    """The mean of these photographs, uint8 [S, S, 3]: the best answer that is the same for all."""
    total = sum(faces.images(part).sum(axis=0, dtype=np.int64) for part in chunks(rows))
    return np.round(total / len(rows)).astype(np.uint8)


class Thumbnails:
    """The training images, made small, to look for the nearest among."""

    def __init__(self, faces: Faces) -> None:
        self.faces, self.rows = faces, faces.of_split(SPLITS[0])
        self.small = np.concatenate([_small(faces.images(part)) for part in chunks(self.rows)])
        self.norms = np.square(self.small).sum(1)

    def nearest(self, images: np.ndarray) -> np.ndarray:
        """The training image nearest to each of these, by squared differences; uint8 [B, S, S, 3]."""
        far = self.norms - 2 * _small(images) @ self.small.T
        return self.faces.images(self.rows[far.argmin(1)])


def _small(images: np.ndarray) -> np.ndarray:
    """uint8 [B, S, S, 3] => float32 [B, THUMBNAIL² * 3] in [-1, 1]."""
    size = (THUMBNAIL, THUMBNAIL)
    small = np.stack([cv2.resize(image, size, interpolation=cv2.INTER_AREA) for image in images])
    return small.reshape(len(images), -1).astype(np.float32) / 127.5 - 1
