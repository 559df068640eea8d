"""What a source of faces yields: an aligned face, or a photograph that was turned down and why."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

SPLITS = ("train", "judge", "val", "test")


class Face(NamedTuple):
    """One aligned crop and all that is known about it."""

    image: np.ndarray  # uint8 [S, S, 3], RGB
    identity: str  # unique name of the person
    split: str  # one of SPLITS; all faces of a person are in the same one
    source: str  # the file it comes from, or how it was made
    landmarks: np.ndarray  # float32 [5, 2], pixels (x, y) of the crop: eyes, nose tip, mouth corners, left first
    identity_vector: np.ndarray | None = None  # rendered heads: float32 [len(heads.IDENTITY)]
    attribute_vector: np.ndarray | None = None  # rendered heads: float32 [len(heads.ATTRIBUTES)]


class Reject(NamedTuple):
    """A photograph that is not used."""

    source: str
    reason: str  # one of a few words, counted: "no_face", "unreadable", …
    detail: str  # a sentence for a person


Source = Iterator[Face | Reject]
