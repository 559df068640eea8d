"""The head as a grid of points: cross-sections stacked from crown to chin, then features pushed out or in.

World units: the image is 2 high and wide at z = 0; x to the image's right, y up, z towards the viewer.
"""

from functools import cache

import numpy as np

from .vectors import SHAPE_NAMES

ROWS, COLUMNS = 77, 89
EXPRESSIONS = ("smile", "mouth_open", "brow_raise")
# Painted, or shapes of a part of their own.
_ELSEWHERE = ("eye_slant", "lid_fold", "brow_height", "brow_angle", "ear_size", "neck_width")
SCULPTED = tuple(name for name in SHAPE_NAMES if name not in _ELSEWHERE) + EXPRESSIONS

EYE_X, EYE_Y = 0.2262, 0.0945
NOSE_Y = -0.122
MOUTH_X, MOUTH_Y = 0.1875, -0.3525
JAW_DROP = 0.13

# Height, half-width, front, back, roundness (2 is an ellipse, more is boxier) and the lift of the back.
# The rows of the jaw climb towards the ears, so they are as wide as the jaw's angle.
_SECTIONS = np.array([
    (0.800, 0.002, 0.002, 0.002, 2.0, 0.00),
    (0.792, 0.11, 0.08, 0.14, 2.0, 0.00),
    (0.760, 0.22, 0.18, 0.33, 2.1, 0.00),
    (0.700, 0.32, 0.28, 0.47, 2.1, 0.00),
    (0.580, 0.415, 0.39, 0.60, 2.2, 0.00),
    (0.420, 0.470, 0.455, 0.68, 2.3, 0.00),
    (0.250, 0.485, 0.485, 0.71, 2.3, 0.00),
    (0.080, 0.478, 0.465, 0.70, 2.3, 0.00),
    (-0.100, 0.462, 0.475, 0.63, 2.2, 0.00),
    (-0.250, 0.440, 0.490, 0.52, 2.1, 0.08),
    (-0.380, 0.420, 0.490, 0.42, 1.95, 0.22),
    (-0.480, 0.400, 0.475, 0.36, 1.80, 0.34),
    (-0.560, 0.375, 0.470, 0.32, 1.70, 0.44),
    (-0.610, 0.340, 0.440, 0.28, 1.65, 0.50),
    (-0.630, 0.280, 0.360, 0.22, 1.70, 0.52),
    (-0.610, 0.160, 0.180, 0.12, 1.80, 0.50),
    (-0.580, 0.020, 0.020, 0.02, 2.00, 0.46),
])  # fmt: skip


def bump(x: np.ndarray, y: np.ndarray, at: tuple[float, float], size: tuple[float, float]) -> np.ndarray:
    """A Gaussian hill of height 1, mirrored in x unless it sits on the midline."""
    across = np.abs(x) - at[0]
    return np.exp(-((across / size[0]) ** 2) - ((y - at[1]) / size[1]) ** 2)


def smoothstep(low: float, high: float, value: np.ndarray | float) -> np.ndarray:
    """0 up to `low`, 1 from `high`, smooth in between; `low` may be the larger."""
    t = np.clip((value - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def eye_x(p: dict[str, float]) -> float:
    """How far each eye is from the midline."""
    return EYE_X + 0.034 * p["eye_spacing"]


def nose_y(p: dict[str, float]) -> float:
    """The height of the nose's tip."""
    return NOSE_Y - 0.06 * p["nose_length"]


def mouth_half_width(p: dict[str, float]) -> float:
    """Half the width of a mouth that does not smile."""
    return MOUTH_X * (1 + 0.22 * p["mouth_width"])


def skull_scale(p: dict[str, float]) -> tuple[float, float, float]:
    """Factors of the skull's width, of its depth in front and behind."""
    return 1 + 0.11 * p["skull_width"], 1 + 0.03 * p["skull_depth"], 1 + 0.12 * p["skull_depth"]


def crown_lift(p: dict[str, float]) -> float:
    """How much higher the crown is than the mean head's."""
    return 0.11 * p["skull_height"]


@cache
def _profile() -> np.ndarray:
    """The sections at 400 evenly spaced stations, smoothed, float64 [400, 6]."""
    stations = np.linspace(0.0, len(_SECTIONS) - 1.0, 400)
    steps = np.arange(len(_SECTIONS))
    dense = np.stack([np.interp(stations, steps, column) for column in _SECTIONS.T], -1)
    kernel = np.hanning(31)[1:-1] / np.hanning(31)[1:-1].sum()
    padded = np.pad(dense, ((14, 14), (0, 0)), mode="reflect", reflect_type="odd")
    return np.stack([np.convolve(column, kernel, "valid") for column in padded.T], -1)


@cache
def longitudes() -> np.ndarray:
    """The columns' angles about the vertical, 0 in front, closer together on the face, [COLUMNS]."""
    u = np.linspace(-1.0, 1.0, COLUMNS)
    return np.pi * (0.62 * u + 0.38 * u**3)


@cache
def _row_sections() -> np.ndarray:
    """The profile at the mesh's rows, [ROWS, 6]: the rows are spread by distance along the face's profile."""
    profile = _profile()
    steps = np.hypot(np.diff(profile[:, 0]), 0.6 * np.diff(profile[:, 2]))
    length = np.concatenate([[0.0], np.cumsum(steps)])
    at = np.linspace(0.0, length[-1], ROWS)
    return np.stack([np.interp(at, length, column) for column in profile.T], -1)


def section(height: np.ndarray) -> tuple[np.ndarray, ...]:
    """Half-width, front, back and roundness of the skull at `height` (its upper part, above the jaw)."""
    upper = _profile()[:250][::-1]
    return tuple(np.interp(height, upper[:, 0], upper[:, k]) for k in (1, 2, 3, 4))


def _loft(p: dict[str, float]) -> np.ndarray:
    """The skull without features, [ROWS, COLUMNS, 3]."""
    y, width, front, back, roundness, lift = (column[:, None] for column in _row_sections().T)
    angle = longitudes()[None, :]
    jaw = smoothstep(-0.1, -0.5, y)
    wide, fore, rear = skull_scale(p)
    width, front, back = width * (wide + 0.18 * p["jaw_width"] * jaw), front * fore, back * rear
    width = width + 0.04 * p["cheek_fullness"] * smoothstep(0.0, -0.3, y) * (width > 0.1)
    roundness = roundness + 0.12 * p["jaw_width"] * jaw
    power = 2.0 / roundness
    sine, cosine = np.sin(angle), np.cos(angle)
    x = width * np.sign(sine) * np.abs(sine) ** power
    z = np.where(cosine > 0, front * np.abs(cosine) ** power, -back * np.abs(cosine) ** (2 / 2.2))
    height = y + lift * (1 - cosine) / 2
    height = height + crown_lift(p) * smoothstep(0.25, 0.8, height)
    height = height - 0.095 * p["chin_length"] * smoothstep(-0.36, -0.6, y) * (1 + cosine) / 2
    return np.stack(np.broadcast_arrays(x, height, z), -1)


def _nose(x: np.ndarray, y: np.ndarray, p: dict[str, float]) -> np.ndarray:
    """How far the nose stands out of the face, [ROWS, COLUMNS]."""
    tip = nose_y(p)
    knots = np.array([tip - 0.085, tip - 0.06, tip - 0.035, tip, tip + 0.05, tip + 0.13, 0.09, 0.18])
    tip_up = 0.03 * p["nose_tip"]
    bridge = 0.04 * p["nose_bridge"]
    rise = np.array([0, 0.05, 0.145 - tip_up, 0.19 + tip_up, 0.165 + bridge / 2, 0.11 + bridge, 0.045 + bridge / 2, 0])
    height = np.interp(y, knots, rise)
    wide = 1 + 0.40 * p["nose_width"]
    half = np.interp(y, knots, np.array([0.07, 0.07, 0.068, 0.07, 0.062, 0.052, 0.05, 0.07])) * (0.4 + 0.6 * wide)
    ridge = height * np.exp(-(np.abs(x / half) ** 2.2))
    wings = 0.075 * bump(x, y, (0.078 * wide, tip - 0.035), (0.036 * wide**0.5, 0.036))
    return ridge + wings


def _face(x: np.ndarray, y: np.ndarray, p: dict[str, float]) -> np.ndarray:
    """How far the other features stand out of the face, [ROWS, COLUMNS]."""
    eye = eye_x(p)
    z = -(0.075 + 0.025 * p["eye_depth"]) * bump(x, y, (eye, EYE_Y + 0.02), (0.125, 0.085))
    z += 0.045 * bump(x, y, (eye, EYE_Y), (0.085, 0.055)) * (1 + 0.25 * p["eye_size"])
    z += (0.035 + 0.04 * p["brow_ridge"]) * bump(x, y, (0.17, 0.215), (0.16, 0.045))
    z += 0.065 * p["forehead"] * bump(x, y, (0.0, 0.42), (0.35, 0.18))
    z += (0.035 + 0.05 * p["cheekbones"]) * bump(x, y, (0.30, -0.04), (0.11, 0.09))
    z += (0.01 + 0.05 * p["cheek_fullness"]) * bump(x, y, (0.26, -0.25), (0.13, 0.13))
    z += 0.03 * bump(x, y, (0.0, MOUTH_Y), (0.19, 0.12))
    wide = 1 + 0.2 * p["mouth_width"]
    z += (0.03 + 0.016 * p["upper_lip"]) * bump(x, y, (0.04, MOUTH_Y + 0.028), (0.10 * wide, 0.026))
    z += (0.036 + 0.016 * p["lower_lip"]) * bump(x, y, (0.0, MOUTH_Y - 0.04), (0.12 * wide, 0.032))
    z -= 0.025 * bump(x, y, (0.0, MOUTH_Y), (0.17 * wide, 0.014))
    z -= 0.012 * bump(x, y, (0.0, MOUTH_Y + 0.09), (0.022, 0.045))
    chin_y = -0.55 - 0.065 * p["chin_length"]
    z -= 0.03 * bump(x, y, (0.0, chin_y + 0.10), (0.11, 0.035))
    z += (0.035 + 0.06 * p["chin_protrusion"]) * bump(x, y, (0.0, chin_y), (0.11, 0.07))
    return z


def parted(a: dict[str, float]) -> float:
    """How far the mouth is open, in [0, 1]; a broad smile parts the lips too."""
    grin = 0.27 * max(0.0, a["smile"] - 0.35) / 0.65
    return a["mouth_open"] + grin * (1 - a["mouth_open"])


def mouth_drop(x: np.ndarray, y: np.ndarray, half_width: float | np.ndarray) -> np.ndarray:
    """How far a wide open mouth lowers a point: nothing above the lips' line, all of it at the chin."""
    below = smoothstep(MOUTH_Y, MOUTH_Y - 0.03, y)
    parting = np.clip(1 - (x / half_width) ** 2, 0, 1)
    jaw = 1 - smoothstep(0.25, 0.48, np.abs(x))
    chin = smoothstep(MOUTH_Y, MOUTH_Y - 0.16, y)
    return JAW_DROP * below * (parting * (1 - chin) + jaw * chin)


def _express(points: np.ndarray, p: dict[str, float]) -> np.ndarray:
    """The displacement of an expression, same shape as `points`."""
    x, y, z = np.moveaxis(points, -1, 0)
    front = smoothstep(-0.1, 0.15, z)
    half_width = mouth_half_width(p)
    corner = bump(x, y, (half_width, MOUTH_Y), (0.09, 0.09)) * front
    cheek = bump(x, y, (0.25, -0.17), (0.12, 0.10)) * front
    brow = bump(x, y, (0.18, 0.23), (0.2, 0.08)) * front
    side = np.tanh(x / 0.05)
    dx = p["smile"] * 0.035 * side * corner
    dy = p["smile"] * (0.05 * corner + 0.02 * cheek) + p["brow_raise"] * 0.03 * brow
    dy = dy - p["mouth_open"] * mouth_drop(x, y, half_width) * front
    dz = p["smile"] * (0.03 * cheek - 0.02 * corner) - p["mouth_open"] * 0.25 * mouth_drop(x, y, half_width) * front
    return np.stack([dx, dy, dz], -1)


def _anchors(points: np.ndarray, p: dict[str, float]) -> np.ndarray:
    """The five landmarks of the face without expression, on its surface, [5, 3]."""
    eye, mouth = eye_x(p), mouth_half_width(p)
    at = np.array([(-eye, EYE_Y), (eye, EYE_Y), (0, nose_y(p)), (-mouth, MOUTH_Y), (mouth, MOUTH_Y)])
    front = points.reshape(-1, 3)
    front = front[front[:, 2] > 0]
    distance = ((front[None, :, :2] - at[:, None]) ** 2).sum(-1)
    weight = np.exp(-distance / (2 * 0.012**2))
    depth = (weight * front[None, :, 2]).sum(1) / weight.sum(1)
    return np.concatenate([at, depth[:, None]], 1)


def sculpt(p: dict[str, float]) -> np.ndarray:
    """Points and anchors of one head, [ROWS * COLUMNS + 5, 3]."""
    points = _loft(p)
    x, y = points[..., 0], points[..., 1]
    front = smoothstep(0.0, 0.12, points[..., 2])
    points[..., 2] += front * (_face(x, y, p) + _nose(x, y, p))
    both = np.concatenate([points.reshape(-1, 3), _anchors(points, p)])
    return both + _express(both, p)
