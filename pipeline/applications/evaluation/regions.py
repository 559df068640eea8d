"""Where the eyes are, where the mouth is: rectangles around the sample's landmarks, as in its answer."""

from typing import NamedTuple

import numpy as np


class Region(NamedTuple):
    """A rectangle around landmarks; sides as shares of the image's."""

    landmarks: tuple[int, ...]  # whose mean is its centre; in the order of alignment.py
    width: float
    height: float


EYES, MOUTH = Region((0, 1), 0.56, 0.25), Region((3, 4), 0.44, 0.25)
REGIONS: dict[str, Region | None] = {"": None, "_eyes": EYES, "_mouth": MOUTH}  # ending of a key -> part of the image


def places(region: Region, landmarks: np.ndarray, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Which pixels of images of this side: rows int64 [B, H, 1] and columns int64 [B, 1, W], within them.

    Args:
        region: the rectangle.
        landmarks: float32 [B, 5, 2], pixels (x, y).
        side: of the images, pixels.
    """
    size = np.array([round(region.width * side), round(region.height * side)])
    centre = landmarks[:, region.landmarks].mean(1)
    left, top = np.clip((centre - size / 2).round().astype(int), 0, side - size).T
    return top[:, None, None] + np.arange(size[1])[:, None], left[:, None, None] + np.arange(size[0])


def cut(images: np.ndarray, region: Region, landmarks: np.ndarray) -> np.ndarray:
    """The region of each image: uint8 [B, S, S, 3] => [B, H, W, 3]."""
    rows, columns = places(region, landmarks, images.shape[1])
    return images[np.arange(len(images))[:, None, None], rows, columns]


def pasted(images: np.ndarray, onto: np.ndarray, region: Region, landmarks: np.ndarray) -> np.ndarray:
    """`onto` everywhere but in the region, `images` there; uint8 [B, S, S, 3] all."""
    rows, columns = places(region, landmarks, images.shape[1])
    each, made = np.arange(len(images))[:, None, None], onto.copy()
    made[each, rows, columns] = images[each, rows, columns]
    return made
