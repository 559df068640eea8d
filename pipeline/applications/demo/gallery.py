"""Rendered heads to choose from: people and circumstances that no training has seen, and the truth of each pair."""

import hashlib
from typing import NamedTuple

import numpy as np

from pipeline.datasets import heads

SHOWN_SIZE = 256  # pixels of a side, for people; the model sees them at its own size
HEADS = 6  # of each list
SEED = 2018  # a fourth number: a data set's people are drawn by three, so these are none of them
TURN = 0.3  # of the range of a pose: a subject nearly faces the camera


class Drawn(NamedTuple):
    """What a head was rendered from."""

    identity: np.ndarray  # as `heads` has them
    attributes: np.ndarray


class Gallery:
    """Heads as pictures, uint8 [SHOWN_SIZE, SHOWN_SIZE, 3], known again by their pixels.

    A picture from here needs no detector: it is rendered once more, as the model's training had it.
    """

    def __init__(self) -> None:
        drawn = [_drawn(number) for number in range(2 * HEADS)]
        drawn[:HEADS] = [_facing(head) for head in drawn[:HEADS]]
        pictures = [heads.render(*head, SHOWN_SIZE).image for head in drawn]
        self.subjects, self.samples = pictures[:HEADS], pictures[HEADS:]
        self._known = {_digest(picture): head for picture, head in zip(pictures, drawn, strict=True)}

    def drawn(self, picture: np.ndarray) -> Drawn | None:
        """What a picture of the gallery was rendered from; None for any other."""
        return self._known.get(_digest(picture))


def true_answer(subject: Drawn, sample: Drawn, image_size: int) -> np.ndarray:
    """The subject's head in the sample's circumstances, uint8 [S, S, 3]."""
    return heads.render(subject.identity, sample.attributes, image_size).image


def _drawn(number: int) -> Drawn:
    rng = np.random.default_rng([number, 0, 0, SEED])
    return Drawn(heads.sample_identity(rng), heads.sample_attributes(rng))


def _facing(head: Drawn) -> Drawn:
    attributes = head.attributes.copy()
    for place, dimension in enumerate(heads.ATTRIBUTES):
        if dimension.name in ("yaw", "pitch", "roll"):
            attributes[place] *= TURN
    return Drawn(head.identity, attributes)


def _digest(picture: np.ndarray) -> bytes:
    return hashlib.sha256(repr(picture.shape).encode() + picture.tobytes()).digest()
