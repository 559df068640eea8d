"""How good a photograph of a face is, as numbers: what params can bound and histograms show."""

import math
from functools import lru_cache

import cv2
import numpy as np

from pipeline.datasets.faces import Quality
from pipeline.datasets.photographs.alignment import TEMPLATE, framed, pixels

# The five points of a head seen from the front, x, y and depth in eye distances. With the nose this far before the
# plane of eyes and mouth, yaw grows as head-pose-estimation-adas-0001 has it (slope 0.97, correlation 0.90 on orl).
HEAD = np.array([(-0.5, 0, 0), (0.5, 0, 0), (0, 0.55, -0.5), (-0.38, 1, -0.06), (0.38, 1, -0.06)], np.float64)
_CENTRED = HEAD - HEAD.mean(axis=0)
_LEAST_SQUARES = np.linalg.pinv(_CENTRED)  # [3, 5]; its rows add up to 0, so landmarks need no centring

GREY = 2.0  # CIELAB chroma below which a photograph counts as grey, and skin has no tone


def quality(crop: np.ndarray, landmarks: np.ndarray, margin: float) -> Quality:
    """Measure an aligned face.

    Args:
        crop: uint8 [S, S, 3] RGB, from `alignment.align` with the same margin.
        landmarks: [5, 2], pixels of the photograph.
        margin: of the frame.
    """
    face = _face_region(crop.shape[0], margin)
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY)
    edges = cv2.Laplacian(grey, cv2.CV_32F)
    (mean,), (spread,) = (np.ravel(v) for v in cv2.meanStdDev(grey, mask=face))
    (_,), (edge_spread,) = (np.ravel(v) for v in cv2.meanStdDev(edges, mask=face))
    yaw, pitch, roll = pose(landmarks)
    return Quality(
        eye_distance=float(np.hypot(*(landmarks[1] - landmarks[0]))),
        sharpness=float(edge_spread**2),
        exposure=float(mean / 255),
        contrast=float(spread / 255),
        yaw=yaw,
        pitch=pitch,
        roll=roll,
        skin_ita=_skin_ita(crop, face),
    )


def pose(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Yaw, pitch and roll in degrees, from five points alone.

    The affine map from the average head that explains the points best, made a rotation (weak perspective). Yaw is
    good to a few degrees; pitch is a rough guess, for noses and chins differ more than nods do.

    Args:
        landmarks: [5, 2], pixels, y down.
    """
    affine = (_LEAST_SQUARES @ np.asarray(landmarks, np.float64)).T
    # The nearest rotation is (M Mᵀ)^(-1/2) M; of a 2 x 2 matrix that root has a closed form, up to its scale.
    products = affine @ affine.T
    products[[0, 1], [0, 1]] += math.sqrt(max(products[0, 0] * products[1, 1] - products[0, 1] ** 2, 0.0)) + 1e-12
    (ax, ay, az), (dx, dy, dz) = (np.array([(1, -1), (-1, 1)]) * products[::-1, ::-1] @ affine).tolist()
    right, below = (landmarks[1] - landmarks[0]).tolist()
    return (
        math.degrees(-math.atan2(az * math.hypot(dx, dy, dz), ax * dy - ay * dx)),
        math.degrees(math.asin(dz / (math.hypot(dx, dy, dz) or 1.0))),
        math.degrees(math.atan2(below, right)),
    )


@lru_cache(maxsize=4)
def _face_region(size: int, margin: float) -> np.ndarray:
    """The ellipse from the brows to below the mouth where a face seen from the front lies; uint8 [S, S]."""
    eyes, mouth = (pixels(framed(TEMPLATE, margin), size)[rows].mean(axis=0) for rows in ([0, 1], [3, 4]))
    (x, y), height = (eyes + mouth) / 2, (mouth - eyes)[1]
    mask = np.zeros((size, size), np.uint8)
    axes = (max(1, round(0.85 * height)), max(1, round(1.05 * height)))
    cv2.ellipse(mask, (round(float(x)), round(float(y))), axes, 0, 0, 360, 255, cv2.FILLED)
    return mask


def _skin_ita(crop: np.ndarray, face: np.ndarray) -> float:
    """Individual typology angle, atan((L* - 50) / b*), of the mean colour (Chardon et al. 1991); NaN where grey."""
    lightness, a, b = _lab(*cv2.mean(crop, mask=face)[:3])
    if math.hypot(a, b) < GREY:
        return math.nan
    return math.degrees(math.atan2(lightness - 50, b))


def _lab(red: float, green: float, blue: float) -> tuple[float, float, float]:
    """CIELAB (D65) of one sRGB colour, 0 to 255 each. OpenCV's tables are made for pictures: a colour takes 0.2 ms."""
    r, g, b = (((v / 255 + 0.055) / 1.055) ** 2.4 if v > 10.31 else v / 255 / 12.92 for v in (red, green, blue))
    x = (0.412453 * r + 0.357580 * g + 0.180423 * b) / 0.950456
    y = 0.212671 * r + 0.715160 * g + 0.072169 * b
    z = (0.019334 * r + 0.119193 * g + 0.950227 * b) / 1.088754
    fx, fy, fz = (v ** (1 / 3) if v > 0.008856 else 7.787 * v + 16 / 116 for v in (x, y, z))
    return 116 * fy - 16, 500 * (fx - fy), 200 * (fy - fz)
