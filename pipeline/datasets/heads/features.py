"""The eyes and the mouth, painted onto the points around them."""

from typing import NamedTuple

import numpy as np

from .colors import hair_color, iris_color, skin_color
from .sculpt import EYE_Y, JAW_DROP, MOUTH_Y, eye_x, mouth_half_width, nose_y, smoothstep
from .texture import Surface, blend, hill

_RED_LIP = np.array([0.50, 0.075, 0.085], np.float32)
_CAVITY = np.array([0.055, 0.012, 0.012], np.float32)
_TONGUE = np.array([0.40, 0.12, 0.11], np.float32)
_TEETH = np.array([0.78, 0.74, 0.66], np.float32)
_EYEBALL = np.array([0.80, 0.77, 0.74], np.float32)


class Face(NamedTuple):
    """A person in an expression, and where that puts the features."""

    p: dict[str, float]
    a: dict[str, float]
    pixel: float  # size of a pixel in the world: edges are as soft
    skin: np.ndarray  # float32 [3], linear
    hair: np.ndarray  # float32 [3], linear
    eye_x: float
    nose_y: float
    mouth_half: float

    @classmethod
    def of(cls, p: dict[str, float], a: dict[str, float], pixel: float) -> "Face":
        mouth_half = mouth_half_width(p) + 0.035 * a["smile"]
        return cls(p, a, pixel, skin_color(p), hair_color(p), eye_x(p), nose_y(p), mouth_half)


def _lips(face: Face, parting: np.ndarray, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """How far the upper lip reaches up and the lower lip down, [N]; `parting` is 0 at the corners."""
    opened = face.a["mouth_open"]
    shape = parting**0.6
    bow = 1 - 0.18 * np.exp(-np.square(x / 0.025)) * (1 - 0.3 * opened)
    upper = (0.043 + 0.024 * face.p["upper_lip"]) * shape * bow
    return upper, (0.055 + 0.026 * face.p["lower_lip"]) * shape * (1 - 0.15 * opened)


def _lip_color(face: Face) -> np.ndarray:
    pink = face.skin * np.array([0.85, 0.45, 0.45], np.float32)
    return pink + face.p["lip_color"] ** 1.5 * (_RED_LIP * (0.35 + 0.65 * face.skin[0]) - pink)


def _inside_of_mouth(face: Face, x: np.ndarray, depth: np.ndarray, below: np.ndarray) -> np.ndarray:
    """Teeth and tongue in the dark, [N, 3], `below` the upper lip by so much, at this `depth` in [0, 1]."""
    teeth = smoothstep(0.048, 0.036, below) * smoothstep(0.95, 0.6, np.abs(x / face.mouth_half))
    inside = np.broadcast_to(_CAVITY, (len(x), 3)).copy()
    blend(inside, _TONGUE, 0.8 * hill(x, depth, (0, 1.0), (0.11, 0.4)) * (face.a["mouth_open"] > 0.3))
    blend(inside, _TEETH, teeth)
    return inside


def paint_mouth(face: Face, s: Surface, x: np.ndarray, y: np.ndarray) -> None:
    """Lips, and what an open mouth shows, in place."""
    opened = face.a["mouth_open"]
    across = x / face.mouth_half
    parting = np.clip(1 - np.square(across), 0, 1)
    # The corners follow the smile, the lower lip follows the jaw.
    upper_line = MOUTH_Y - 0.004 + 0.068 * face.a["smile"] * np.square(across)
    lower_line = upper_line - JAW_DROP * opened * parting
    upper, lower = _lips(face, parting, x)
    tone = _lip_color(face)
    edge = 1 / (0.6 * face.pixel + 0.006)
    lip = np.clip(np.minimum(upper_line + upper - y, y - lower_line + lower) * edge + 0.5, 0, 1) * (parting > 0)
    blend(s.albedo, tone, 0.92 * lip)
    s.gloss[:] += 0.5 * lip
    below = upper_line - y
    inside = np.clip(np.minimum(below, y - lower_line) * edge + 0.3, 0, 1) * (opened > 0.02) * (parting > 0.02)
    blend(s.albedo, _inside_of_mouth(face, x, below / (JAW_DROP * opened * parting + 1e-4), below), inside)
    line = np.exp(-np.square(below / (0.008 + 0.4 * face.pixel))) * smoothstep(1.06, 0.9, np.abs(across))
    blend(s.albedo, tone * np.float32(0.2), 0.75 * line * (1 - inside))
    s.gloss[:] *= 1 - inside
    s.occlusion[:] *= 1 - 0.35 * inside


def _eyeball(face: Face, side: np.ndarray, u: np.ndarray, v: np.ndarray, white: np.ndarray) -> np.ndarray:
    """White, iris, pupil and highlight, [N, 3]; u runs outwards from the eye's centre, v up."""
    a = face.a
    edge = 1 / (0.6 * face.pixel + 0.004)
    u = u - side * 0.038 * a["gaze_x"]
    v = v - 0.022 * a["gaze_y"] - 0.008
    away = np.hypot(u, v)
    radius = 0.047 * (1 + 0.05 * face.p["eye_size"])
    ring = np.clip(away / radius, 0, 1)[:, None]
    ball = _EYEBALL * white[:, None]
    blend(ball, iris_color(face.p) * (1.25 - 0.95 * ring**4), np.clip((radius - away) * edge + 0.5, 0, 1))
    blend(ball, np.float32(0.008), np.clip((0.40 * radius - away) * edge + 0.5, 0, 1))
    glint = np.hypot(u - side * 0.016 * np.tanh(a["light_azimuth"] / 20), v - 0.017)
    blend(ball, np.float32(1.0), 0.9 * np.clip((0.011 - glint) * edge + 0.5, 0, 1))
    return ball


def paint_eyes(face: Face, s: Surface, x: np.ndarray, y: np.ndarray) -> None:
    """Eyeballs between their lids, lashes and the folds above, in place."""
    p = face.p
    size = 1 + 0.22 * p["eye_size"]
    u = np.abs(x) - face.eye_x
    v = y - EYE_Y - (0.28 * p["eye_slant"] + 0.04) * u
    half = 0.103 * size
    t = np.clip(u / half, -1, 1)
    arch = 1 - np.square(t)
    raised = 0.060 * size * arch**0.7
    lower = -0.036 * size * arch**0.8 * (1 + 0.15 * t)
    upper = raised * (1 + 0.12 * t) * (1 - 0.2 * max(p["lid_fold"], 0.0))
    upper = upper + face.a["blink"] * (lower * 0.75 - upper)
    edge = 1 / (0.6 * face.pixel + 0.004)
    opening = np.clip(np.minimum(upper - v, v - lower) * edge + 0.5, 0, 1) * (np.abs(u) < half)
    # Darker in the corners and under the upper lid.
    ball = _eyeball(face, np.sign(x), u, v, 0.55 + 0.45 * arch)
    ball *= (1 - 0.45 * smoothstep(0.03, 0.0, upper - v))[:, None]
    blend(s.albedo, ball, opening)
    s.gloss[:] *= 1 - opening
    outwards = np.abs(u / half)
    lash = np.exp(-np.square((v - upper - 0.004) / (0.009 + 0.3 * face.pixel))) * smoothstep(1.15, 0.9, outwards)
    blend(s.albedo, np.float32(0.12) * np.minimum(face.hair, face.skin), 0.85 * lash)
    fold = raised + 0.020 + 0.012 * p["lid_fold"]
    crease = np.exp(-np.square((v - fold) / 0.010)) * smoothstep(1.2, 0.7, outwards)
    blend(s.albedo, face.skin * np.float32(0.35), 0.5 * crease)
    rim = np.exp(-np.square((v - lower) / 0.008)) * (outwards < 1)
    blend(s.albedo, face.skin * np.array([0.6, 0.4, 0.38], np.float32), 0.5 * rim)
