"""A made face back into the photograph that its sample was cut from: the alignment undone, a soft edge, like colours.

Pure functions of numpy arrays. Work and memory go with the face and not with the photograph: beyond the mask no
pixel is read or written, and a large face is done in tiles.
"""

import math
from collections.abc import Iterator
from functools import lru_cache

import cv2
import numpy as np

from pipeline.datasets.photographs.alignment import TEMPLATE, framed, pixels, similarity

# An ellipse in fractions of the frame without margin: the face and what the frame shows of its hair. Between SOLID and
# 1 of its radius the face fades into the photograph; nothing of it lies beyond, so the crop's own edges are never seen.
CENTRE, RADII, SOLID = np.array([0.5, 0.5]), np.array([0.44, 0.48]), 0.7
TILE = 512  # pixels; OpenCV warps no side beyond 32767
BLUR = 0.2  # of the crop's side: how far the colours of the edge reach into the face


def paste(photograph: np.ndarray, points: np.ndarray, seen: np.ndarray, made: np.ndarray, margin: float) -> np.ndarray:
    """The photograph with another face in it; pixels outside the mask are the photograph's own.

    Args:
        photograph: uint8 [H, W, 3].
        points: [5, 2] landmarks in pixels (x, y) of the photograph, by which the face was aligned.
        seen: uint8 [S, S, 3], the aligned crop of the photograph.
        made: uint8 [S, S, 3], what is to be seen instead.
        margin: of the frame, as the face was cut.

    Returns:
        uint8 [H, W, 3]; the photograph that was given stays as it is.
    """
    if seen.shape != made.shape or seen.ndim != 3 or seen.shape[0] != seen.shape[1]:
        raise ValueError(f"seen and made should both be [S, S, 3] (got {seen.shape} and {made.shape})")
    side = len(made)
    matrix = similarity(np.asarray(points), pixels(framed(TEMPLATE, margin), side))
    face = matched(made, seen, margin)
    out = photograph.copy()
    for top, bottom, left, right in _tiles(matrix, side, margin, photograph.shape):
        shifted = matrix.copy()
        shifted[:, 2] += matrix[:, :2] @ (left, top)
        m = _mask(shifted, side, bottom - top, right - left, margin)[:, :, None]
        tile = out[top:bottom, left:right]
        mixed = tile + m * (_drawn(face, shifted, (right - left, bottom - top)) - tile)
        tile[:] = np.clip(np.rint(mixed), 0, 255)  # where m is 0, a number of the photograph is what it was
    return out


def mask(side: int, margin: float) -> np.ndarray:
    """How much of the made face is seen at each pixel of the crop: float32 [S, S], 0 to 1."""
    return _mask(np.eye(2, 3), side, side, side, margin)


def matched(made: np.ndarray, seen: np.ndarray, margin: float) -> np.ndarray:
    """The made face in colours that meet the photograph's at the edge: float32 [S, S, 3], 0 to 255.

    What differs where the mask fades is added, and spread smoothly over the inside. Colours are not matched over the
    whole face: skin and hair are the subject's.
    """
    weight, known = _edge(len(made), margin)
    spread = _spread((seen.astype(np.float32) - made) * weight)
    return np.asarray(np.clip(made + spread / known, 0, 255), dtype=np.float32)


@lru_cache(maxsize=4)
def _edge(side: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """How much of the edge each pixel of the crop is, and how much of it reaches the pixel: [S, S, 1] each."""
    m = mask(side, margin)
    weight = m * (1 - m)
    return weight[:, :, None], np.maximum(_spread(weight), 1e-6)[:, :, None]


def _spread(image: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.GaussianBlur(image, (0, 0), BLUR * len(image), borderType=cv2.BORDER_CONSTANT))


def _mask(matrix: np.ndarray, side: int, height: int, width: int, margin: float) -> np.ndarray:
    """The mask at the pixels of a part of the photograph; the matrix is from them to the crop's."""
    scale = (1 + max(margin, 0.0)) / RADII  # a frame that shows less than the template has no room for a larger ellipse
    matrix = np.column_stack([matrix[:, :2] / side, (matrix[:, 2] + 0.5) / side - CENTRE]) * scale[:, None]
    (xx, xy, x0), (yx, yy, y0) = matrix.astype(np.float32)
    x, y = np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32)[:, None]
    radius = np.sqrt((xx * x + (xy * y + x0)) ** 2 + (yx * x + (yy * y + y0)) ** 2)
    t = np.clip((1 - radius) / (1 - SOLID), 0, 1)
    return np.asarray(t * t * (3 - 2 * t), dtype=np.float32)


def _tiles(matrix: np.ndarray, side: int, margin: float, shape: tuple[int, ...]) -> Iterator[tuple[int, int, int, int]]:
    """The part of the photograph that the ellipse can reach: top, bottom, left, right of each tile."""
    reach = RADII / (1 + max(margin, 0.0))
    corners = (CENTRE + reach * np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)])) * side - 0.5
    back = np.linalg.solve(matrix[:, :2], (corners - matrix[:, 2]).T).T
    limit = np.array([shape[1], shape[0]])
    first = np.clip(np.floor(back.min(axis=0)), 0, limit).astype(int)
    last = np.clip(np.ceil(back.max(axis=0)) + 1, 0, limit).astype(int)
    for top in range(first[1], last[1], TILE):
        for left in range(first[0], last[0], TILE):
            yield top, min(top + TILE, last[1]), left, min(left + TILE, last[0])


def _drawn(face: np.ndarray, matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """The crop as it lies in a part of the photograph, (width, height); averaged where it shrinks.

    The matrix is from that part's pixels to the crop's.
    """
    shrink = min(max(1, math.ceil(math.hypot(matrix[0, 0], matrix[1, 0]) - 1e-6)), 32767 // max(size))
    fine = matrix / shrink
    fine[:, 2] = matrix[:, 2] - matrix[:, :2] @ np.full(2, (shrink - 1) / (2 * shrink))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    large = (shrink * size[0], shrink * size[1])
    drawn = cv2.warpAffine(face, fine, large, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(drawn if shrink == 1 else cv2.resize(drawn, size, interpolation=cv2.INTER_AREA))
