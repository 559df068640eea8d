"""The skin of the head and what grows on it.

Points are given in the head's own frame before the pose (x to the image's right, y up, z forwards), so that
features stay sharp at any image size. `mirrored` is |x|.
"""

import numpy as np

from .features import Face, paint_eyes, paint_mouth
from .hair import HAIR_COLUMNS, tips
from .sculpt import EYE_Y, JAW_DROP, MOUTH_Y, smoothstep
from .texture import Surface, blend, hill, sample

_BLUSH = np.array([1.0, 0.66, 0.62], np.float32)
_FRECKLE = np.array([0.5, 0.33, 0.25], np.float32)
_MOLE = np.array([0.22, 0.13, 0.10], np.float32)


def skin_surface(face: Face, x: np.ndarray, y: np.ndarray, z: np.ndarray) -> Surface:
    """The surface of the head at points of it; x, y and z are float32 [N]."""
    mirrored = np.abs(x)
    # Where a point was before the jaw fell, so that freckles and beard go with it.
    closed = y + JAW_DROP * face.a["mouth_open"] * smoothstep(MOUTH_Y - 0.05, MOUTH_Y - 0.2, y)
    fine = sample("fine", x * 260 + 400, closed * 260 + 400)
    albedo = _bare_skin(face, x, mirrored, closed)
    _spots(face, albedo, x, mirrored, closed)
    gloss = 0.25 + 0.25 * hill(x, y, (0, 0.35), (0.3, 0.2)) + 0.4 * hill(x, y, (0, face.nose_y), (0.05, 0.2))
    _beard(face, albedo, gloss, x, mirrored, closed, z)
    _scalp(face, albedo, x, y, z, fine)
    _brows(face, albedo, mirrored, y, z, fine)
    bend = _wrinkles(face, mirrored, y)
    bend[:, 0] *= np.sign(x)
    surface = Surface(albedo, gloss, _occlusion(face, x, mirrored, y), bend)
    front = z > 0.1
    near_mouth = np.flatnonzero(front & (mirrored < 0.3) & (np.abs(y - MOUTH_Y + 0.085) < 0.215))
    near_eyes = np.flatnonzero(front & (np.abs(mirrored - face.eye_x) < 0.17) & (np.abs(y - EYE_Y) < 0.14))
    for paint, near in ((paint_mouth, near_mouth), (paint_eyes, near_eyes)):
        local = Surface(*(values[near] for values in surface))
        paint(face, local, x[near], y[near])
        for values, painted in zip(surface, local, strict=True):
            values[near] = painted
    return surface


def _bare_skin(face: Face, x: np.ndarray, mirrored: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Mottled, redder on cheeks and nose, darker under the eyes and in the nostrils, [N, 3]."""
    texture, skin = face.p["skin_texture"], face.skin
    soft = sample("soft", x * 150 + 60, y * 150 + 90)
    albedo = skin * (1 + (0.02 + 0.05 * texture) * soft)[:, None]
    blush = hill(mirrored, y, (0.27, -0.15), (0.14, 0.11)) + hill(x, y, (0, face.nose_y), (0.08, 0.08))
    blend(albedo, skin * _BLUSH, 0.38 * blush)
    under_eye = hill(mirrored, y, (face.eye_x - 0.02, EYE_Y - 0.085), (0.09, 0.03))
    blend(albedo, skin * np.float32(0.6), (0.15 + 0.4 * texture) * under_eye)
    wide = 0.042 * (1 + 0.3 * face.p["nose_width"])
    nostril = hill(mirrored, y, (wide, face.nose_y - 0.062), (0.020, 0.012))
    blend(albedo, skin * np.float32(0.16), np.clip(1.4 * nostril - 0.25, 0, 0.9))
    return albedo


def _occlusion(face: Face, x: np.ndarray, mirrored: np.ndarray, y: np.ndarray) -> np.ndarray:
    """The share of the surroundings that hollows of the face see, [N]."""
    socket = hill(mirrored, y, (face.eye_x - 0.06, EYE_Y + 0.05), (0.12, 0.06))
    under_nose = hill(x, y, (0, face.nose_y - 0.085), (0.10, 0.03))
    wings = hill(mirrored, y, (0.125 + 0.035 * face.p["nose_width"], face.nose_y - 0.045), (0.025, 0.04))
    under_lip = hill(x, y, (0, MOUTH_Y - 0.1 - JAW_DROP * face.a["mouth_open"]), (0.1, 0.025))
    return 1 - np.clip(0.4 * socket + 0.28 * under_nose + 0.3 * wings + 0.25 * under_lip, 0, 0.9)


def _wrinkles(face: Face, mirrored: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Lines of the forehead and from nose to mouth, [N, 2] added to the normal of the image's right half."""
    texture = face.p["skin_texture"]
    bend = np.zeros((len(y), 2), np.float32)
    lines = 0.25 * texture**2 + 0.15 * max(face.a["brow_raise"], 0.0) * texture
    bend[:, 1] = lines * np.sin(y * 105) * hill(mirrored, y, (0.08, 0.37), (0.2, 0.07))
    slope = mirrored - 0.135 - 0.28 * np.clip(face.nose_y - 0.02 - y, 0, 0.3)
    depth = 0.35 * texture + 0.45 * max(face.a["smile"], 0.0)
    bend[:, 0] = -depth * np.exp(-np.square(slope * 45)) * hill(mirrored, y, (0.17, -0.24), (0.1, 0.09))
    return bend


def _spots(face: Face, albedo: np.ndarray, x: np.ndarray, mirrored: np.ndarray, y: np.ndarray) -> None:
    p = face.p
    if p["freckles"] > 0:
        zone = hill(mirrored, y, (0.15, -0.06), (0.2, 0.14))
        dots = smoothstep(1.1, 1.7, sample("fine", x * 110 + 300, y * 110 + 200))
        blend(albedo, face.skin * _FRECKLE, 0.9 * p["freckles"] * dots * zone)
    if p["mole_size"] > 0:
        radius = 0.010 + 0.022 * p["mole_size"]
        away = np.hypot(x - 0.32 * p["mole_x"], y + 0.12 - 0.36 * p["mole_y"])
        blend(albedo, face.skin * _MOLE, np.clip((radius - away) / 0.008, 0, 1))


def _beard(face: Face, albedo: np.ndarray, gloss: np.ndarray, x: np.ndarray, mirrored: np.ndarray,
           y: np.ndarray, z: np.ndarray) -> None:  # fmt: skip
    """Stubble to full beard on jaw and chin, and a moustache, both leaving the lips free."""
    p = face.p
    if p["beard"] + p["moustache"] == 0:
        return
    mouth = np.hypot(x / (face.mouth_half + 0.03), (y - MOUTH_Y) / 0.085)
    cheek_line = -0.22 - 0.16 * np.clip(1 - mirrored / 0.34, 0, 1) + 0.45 * np.clip(mirrored - 0.34, 0, 1)
    jaw = smoothstep(0.03, -0.05, y - cheek_line) * smoothstep(0.85, 1.1, mouth) * smoothstep(-0.12, 0.0, z)
    lip = hill(mirrored, y, (0.07, MOUTH_Y + 0.085), (0.13, 0.032)) * smoothstep(0.75, 1.0, mouth)
    hairs = sample("strand", x * 420 + 120, y * 300 + 90)
    share = np.clip((1 + 0.28 * hairs) * jaw, 0, 1) * min(1.0, 0.15 * (p["beard"] > 0) + 1.05 * p["beard"])
    share = np.maximum(share, np.clip(1.6 * lip, 0, 1) * min(1.0, 1.2 * p["moustache"]))
    blend(albedo, face.hair * (0.75 + 0.22 * hairs)[:, None], np.clip(share, 0, 0.97))
    gloss *= 1 - 0.8 * share


def _scalp(face: Face, albedo: np.ndarray, x: np.ndarray, y: np.ndarray, z: np.ndarray, fine: np.ndarray) -> None:
    """Cropped hair, also under long hair so that no skin shines through."""
    if face.p["hair_cover"] == 0:
        return
    column = (np.arctan2(x, z) / (2 * np.pi) + 0.5) * (HAIR_COLUMNS - 1)
    edge = np.interp(column, np.arange(HAIR_COLUMNS), np.maximum(tips(face.p), -0.32)).astype(np.float32)
    covered = smoothstep(-0.01, 0.05, y - edge + 0.012 * fine) * face.p["hair_cover"]
    blend(albedo, face.hair * np.float32(0.8), np.clip(covered * (0.92 + 0.12 * fine), 0, 1))


def _brows(face: Face, albedo: np.ndarray, mirrored: np.ndarray, y: np.ndarray, z: np.ndarray,
           fine: np.ndarray) -> None:  # fmt: skip
    p, raised = face.p, face.a["brow_raise"]
    along = (mirrored - face.eye_x) * (1 / 0.15)
    middle = EYE_Y + 0.125 + 0.025 * p["brow_height"] + 0.045 * raised
    arch = middle + (0.045 * p["brow_angle"] - 0.01 * raised) * along - 0.025 * np.square(along - 0.1)
    half = (0.010 + 0.030 * p["brow_thickness"]) * np.clip(1.1 - 0.45 * (along + 0.3), 0.3, 1.1)
    share = np.clip((half - np.abs(y - arch)) / 0.012 + 0.5, 0, 1) * smoothstep(1.0, 0.75, np.abs(along)) * (z > 0.1)
    tone = face.hair * np.float32(0.9 * (1.0 - 0.75 * p["brow_darkness"]))
    strength = 0.55 + 0.4 * p["brow_darkness"]
    blend(albedo, tone, np.clip(share * strength * (1 + 0.15 * fine), 0, 1))
