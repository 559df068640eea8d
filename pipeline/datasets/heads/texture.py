"""What painting needs: the surface that is lit, blending, and noise of fixed seeds."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np


class Surface(NamedTuple):
    albedo: np.ndarray  # float32 [N, 3], linear
    gloss: np.ndarray  # float32 [N]: strength of the highlight
    occlusion: np.ndarray  # float32 [N] in [0, 1]: share of the surroundings that is seen
    bend: np.ndarray  # float32 [N, 2]: added to the normal's x and y


@cache
def _noise(kind: str) -> np.ndarray:
    """Periodic noise of a fixed seed, deviation 1, float32 [256, 256]: "fine", "soft" or "strand"."""
    rng = np.random.default_rng({"fine": 1, "soft": 2, "strand": 3}[kind])
    sigma = {"fine": (1.2, 1.2), "soft": (7.0, 7.0), "strand": (1.3, 14.0)}[kind]
    noise = np.tile(rng.standard_normal((256, 256)).astype(np.float32), (3, 3))
    smooth = cv2.GaussianBlur(noise, (0, 0), sigma[0], sigmaY=sigma[1])[256:512, 256:512]
    return (smooth / smooth.std()).astype(np.float32)


def sample(kind: str, u: np.ndarray, v: np.ndarray) -> np.ndarray:
    """The noise at whole texels of u and v, [N]."""
    texture = _noise(kind)
    return texture[v.astype(np.int32) & 255, u.astype(np.int32) & 255]


def hill(x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A Gaussian hill of height 1."""
    return np.exp(-np.square((x - at[0]) * (1 / size[0])) - np.square((y - at[1]) * (1 / size[1])))


def blend(colour: np.ndarray, other: np.ndarray | np.float32, share: np.ndarray) -> None:
    """Moves `colour` [N, 3] towards `other` [3] or [N, 3] by `share` [N], in place."""
    colour += share[:, None] * (other - colour)
