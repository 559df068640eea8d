"""What is behind the head: a wall, a curtain, windows or foliage, out of focus."""

from functools import cache

import cv2
import numpy as np

from .colors import hue_to_rgb


@cache
def _foliage() -> tuple[np.ndarray, np.ndarray]:
    """Blobs of a fixed seed, coarse and fine, float32 [128, 128] each, periodic, in [-1, 1]."""
    rng = np.random.default_rng(11)
    octaves = []
    for sigma in (9.0, 4.0):
        noise = np.tile(rng.standard_normal((128, 128)).astype(np.float32), (3, 3))
        smooth = cv2.GaussianBlur(noise, (0, 0), sigma)[128:256, 128:256]
        octaves.append(np.tanh(1.5 * smooth / smooth.std()).astype(np.float32))
    return octaves[0], octaves[1]


@cache
def _plane(image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """The pixels' centres in [-1, 1], x to the right and y up, float32 [S, S] each."""
    at = ((np.arange(image_size) + 0.5) / image_size * 2 - 1).astype(np.float32)
    x, y = np.meshgrid(at, -at)
    return x, y


def _kinds(pattern: float) -> np.ndarray:
    """How much there is of wall, curtain, windows and foliage, [4]; they fade into each other."""
    return np.clip(1.25 - 1.25 * np.abs(pattern * 3 - np.arange(4)), 0.0, 1.0)


def _rotated(x: np.ndarray, y: np.ndarray, turn: float) -> tuple[np.ndarray, np.ndarray]:
    c, s = np.float32(np.cos(turn)), np.float32(np.sin(turn))
    return x * c + y * s, y * c - x * s


def _curtain(along: np.ndarray, cycles: float, phase: float) -> np.ndarray:
    """Stripes of two widths, [S, S] in about [-1, 1]."""
    wave = np.sin(along * np.float32(cycles) + np.float32(2 * np.pi * phase))
    return np.tanh(2.5 * wave) * 0.75 + 0.25 * np.sin(along * np.float32(2.7 * cycles))


def _windows(x: np.ndarray, y: np.ndarray, turn: float, cycles: float, phase: float) -> np.ndarray:
    """Bright panes with blurred edges, upright but for a small tilt, [S, S] in [0, 1]."""
    along, across = _rotated(x, y, 0.25 * np.sin(turn))
    columns = np.sin(along * np.float32(0.8 * cycles) + np.float32(2 * np.pi * phase))
    rows = np.sin(across * np.float32(0.55 * cycles) + np.float32(1.0 + np.cos(turn)))
    return np.clip(2.5 * np.minimum(columns + 0.1, rows + 0.2) + 0.5, 0.0, 1.0)


def _leaves(along: np.ndarray, across: np.ndarray, size: float, phase: float) -> tuple[np.ndarray, ...]:
    """Coarse and fine blobs, [S, S] each in [-1, 1]; a turn of the phase is a period of the noise."""
    u = along * np.float32(size) + np.float32(128 * phase)
    v = across * np.float32(size)
    return tuple(cv2.remap(n, u, v, cv2.INTER_LINEAR, borderMode=cv2.BORDER_WRAP) for n in _foliage())


def background(a: dict[str, float], image_size: int) -> np.ndarray:
    """The picture without the head, display values in [0, 1], float32 [S, S, 3]."""
    x, y = _plane(image_size)
    turn, phase = np.radians(a["background_angle"]), a["background_phase"]
    detail = 2.2 - 1.4 * a["background_scale"]
    along, across = _rotated(x, y, turn)
    wall, curtain, windows, foliage = _kinds(a["background_pattern"])
    coarse, fine = _leaves(along, across, 12 + 12 * detail, phase)
    # A little unevenness everywhere: no wall is lit evenly.
    light = 0.10 * coarse + (0.12 + 0.2 * wall) * along
    tint = 0.3 * along
    if curtain:
        light += (0.5 * curtain) * _curtain(along, np.pi * 1.6 * detail, phase)
    if windows:
        panes = _windows(x, y, turn, np.pi * 1.8 * detail, phase)
        light += windows * (0.95 * panes - 0.35 + 0.15 * y)
        tint += windows * 0.8 * (panes - 0.5)
    if foliage:
        light += foliage * (0.4 * coarse + 0.25 * fine + 0.2 * y)
        tint += foliage * 0.8 * coarse
    value = 0.22 + 0.55 * a["background_brightness"]
    saturation = 0.1 + 0.6 * a["background_saturation"]
    first = hue_to_rgb(a["background_hue"], saturation, value)
    second = hue_to_rgb(a["background_hue"] + 50, 0.8 * saturation, value)
    mix = np.clip(tint + 0.5, 0, 1)[..., None]
    colour: np.ndarray = (first + mix * (second - first)) * (1 + 0.75 * light)[..., None]
    return np.clip(colour, 0, 1)
