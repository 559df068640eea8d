"""Five landmarks onto five fixed places: the one frame in which every face of the project is shown."""

import math

import cv2
import numpy as np

# Fractions of the crop: eyes, nose tip, mouth corners, image left first. The frame shows the head with its hair
# and some background, which belongs to the attributes. Rendered heads are drawn in it too.
TEMPLATE = np.array([(0.354, 0.415), (0.646, 0.415), (0.50, 0.557), (0.378, 0.704), (0.622, 0.704)], dtype=np.float32)


def pixels(template: np.ndarray, image_size: int) -> np.ndarray:
    """Fractions of a crop as pixel coordinates in which a pixel's centre is an integer, as in OpenCV.

    The half pixel keeps a symmetric template symmetric: mirrored, x becomes image_size - 1 - x.
    """
    return (np.asarray(template, dtype=np.float64) * image_size - 0.5).astype(np.float32)


def framed(template: np.ndarray, margin: float) -> np.ndarray:
    """The template in a crop that shows `margin` more of everything: 0.2 is a fifth more on each side of the middle."""
    return (np.asarray(template, np.float32) - 0.5) / (1 + margin) + 0.5


def similarity(landmarks: np.ndarray, template_px: np.ndarray) -> np.ndarray:
    """Rotation, scale and shift, without reflection, that bring landmarks nearest to the template.

    The least squares problem of Umeyama (1991) has a closed form in two dimensions: with centred points as
    complex numbers p and q, the factor (scale and rotation in one) is sum(conj(p) q) / sum(|p|^2).

    Args:
        landmarks: [N, 2] pixels (x, y) of the photograph, N >= 2.
        template_px: [N, 2] pixels where they belong.

    Returns:
        float64 [2, 3]: template ≈ matrix[:, :2] @ landmark + matrix[:, 2].
    """
    if landmarks.shape != template_px.shape or landmarks.ndim != 2 or landmarks.shape[1] != 2:
        shapes = f"{landmarks.shape} and {template_px.shape}"
        raise ValueError(f"landmarks and template should both be [N, 2] (got {shapes})")
    p, q = (np.asarray(points, dtype=np.float64) @ (1, 1j) for points in (landmarks, template_px))
    p_mean, q_mean = p.mean(), q.mean()
    spread = float(np.sum(np.abs(p - p_mean) ** 2))
    if not spread > 0:
        raise ValueError(f"landmarks should be finite and not all in one place (got {landmarks.tolist()})")
    factor = np.sum(np.conj(p - p_mean) * (q - q_mean)) / spread
    shift = q_mean - factor * p_mean
    return np.array([(factor.real, -factor.imag, shift.real), (factor.imag, factor.real, shift.imag)])


def transform(matrix: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Points [N, 2] through a [2, 3] matrix; float32 [N, 2]."""
    return np.asarray(points @ matrix[:, :2].T + matrix[:, 2], dtype=np.float32)


def warp(image: np.ndarray, points: np.ndarray, template: np.ndarray, image_size: int) -> tuple[np.ndarray, np.ndarray]:
    """Cut out the square in which the points lie nearest to a template.

    A warp reads a few pixels at each place and so aliases when it shrinks. Here it draws the crop magnified,
    so that it never shrinks, and averages blocks of that. Beyond the photograph's edge its last pixels are
    repeated: reflection could show a second eye.

    Args:
        image: uint8 [H, W, 3].
        points: [N, 2] pixels (x, y) of the image.
        template: [N, 2] fractions of the crop.
        image_size: side of the crop, in pixels.

    Returns:
        The crop, uint8 [S, S, 3], and the points in its pixels, float32 [N, 2].
    """
    full = similarity(points, pixels(template, image_size))
    image, matrix = _reduced(*_region(image, full, image_size))
    magnify = min(max(1, math.ceil(_shrink(matrix) - 1e-6)), 8)
    if magnify > 1:
        matrix = magnify * matrix
        matrix[:, 2] += (magnify - 1) / 2
    side = magnify * image_size
    crop = cv2.warpAffine(image, matrix, (side, side), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    if magnify > 1:
        crop = cv2.resize(crop, (image_size, image_size), interpolation=cv2.INTER_AREA)
    return np.asarray(crop, dtype=np.uint8), transform(full, points)


def align(image: np.ndarray, landmarks: np.ndarray, image_size: int, margin: float) -> tuple[np.ndarray, np.ndarray]:
    """The face in the project's frame: crop uint8 [S, S, 3] and landmarks in the crop, float32 [5, 2]."""
    return warp(image, landmarks, framed(TEMPLATE, margin), image_size)


def _shrink(matrix: np.ndarray) -> float:
    return 1 / math.hypot(matrix[0, 0], matrix[1, 0])


def _region(image: np.ndarray, matrix: np.ndarray, image_size: int) -> tuple[np.ndarray, np.ndarray, int]:
    """The part of the photograph that the crop can see: OpenCV warps no side beyond 32767 pixels."""
    edge = np.array([(-1, -1), (image_size, -1), (-1, image_size), (image_size, image_size)])
    corners = np.linalg.solve(matrix[:, :2], (edge - matrix[:, 2]).T).T
    height, width = image.shape[:2]
    left, top = np.clip(np.floor(corners.min(axis=0)) - 4, 0, (width - 1, height - 1)).astype(int)
    right, bottom = np.clip(np.ceil(corners.max(axis=0)) + 5, (left + 1, top + 1), (width, height)).astype(int)
    shifted = matrix.copy()
    shifted[:, 2] += matrix[:, :2] @ (left, top)
    return image[top:bottom, left:right], shifted, max(1, min(bottom - top, right - left))


def _reduced(image: np.ndarray, matrix: np.ndarray, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Blocks of a large photograph averaged, so that a shrinkage of less than 8:1 is left for the warp."""
    factor = min(int(_shrink(matrix) // 4), limit)
    if factor < 2:
        return image, matrix
    height, width = image.shape[:2]
    padded = cv2.copyMakeBorder(image, 0, -height % factor, 0, -width % factor, cv2.BORDER_REPLICATE)
    size = (padded.shape[1] // factor, padded.shape[0] // factor)
    matrix = matrix.copy()
    matrix[:, 2] += matrix[:, :2] @ np.full(2, (factor - 1) / 2)
    matrix[:, :2] *= factor
    return np.asarray(cv2.resize(padded, size, interpolation=cv2.INTER_AREA)), matrix
