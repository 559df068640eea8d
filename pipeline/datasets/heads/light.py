"""One light with a direction and shadows, and light from all around."""

import cv2
import numpy as np

from .canvas import FAR, lens
from .parts import Part
from .texture import Surface

# How far light creeps around an edge of skin, by channel: red goes farthest.
_CREEP = np.array([0.34, 0.20, 0.14], np.float32)
_SHADOW_SIZE = 112
_SHADOW_FALL = 0.05
_SHADOW_MARGIN = 0.05
_SHADOW_DISTANCE = 30.0
# Half of what the light's view shows: a head with the largest hair.
_SHADOW_REACH = 1.25


def towards_light(a: dict[str, float]) -> np.ndarray:
    """The direction to the light, a unit vector, float32 [3]."""
    azimuth, elevation = np.radians([a["light_azimuth"], a["light_elevation"]])
    flat = np.cos(elevation)
    return np.array([np.sin(azimuth) * flat, np.sin(elevation), np.cos(azimuth) * flat], np.float32)


def _light_view(towards: np.ndarray) -> np.ndarray:
    """World to the light's own frame, in which it shines along -z and sees from -1 to 1, [3, 4]."""
    right = np.array([towards[2], 0, -towards[0]])
    right /= np.linalg.norm(right) + 1e-9
    up = np.cross(towards, right)
    return np.stack([[*axis, 0.0] for axis in (right, up, towards)]).astype(np.float32) / np.float32(_SHADOW_REACH)


def lit_share(casters: list[Part], place: np.ndarray, towards: np.ndarray) -> np.ndarray:
    """How much of the directed light reaches each point, in [0, 1], [N]; `place` is [N, 3] in the world.

    Shadows are soft: the map is blurred, and light falls off over a short way behind what it met first.
    """
    view = _light_view(towards)
    depth = np.full((_SHADOW_SIZE, _SHADOW_SIZE), FAR, np.float32)
    for part in casters:
        points = np.ascontiguousarray(cv2.transform(part.points[None], view)[0])
        cv2.triangleRasterizeDepth(points, part.faces, depth, *lens(_SHADOW_DISTANCE, both_sides=False))
    # Emptiness counts as little farther than the head, or the blur would leak light into every shadow.
    depth = np.minimum(depth, np.float32(_SHADOW_DISTANCE + 0.7))
    soft = cv2.resize(cv2.GaussianBlur(depth, (0, 0), 0.9), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
    seen = cv2.transform(place[None], view)[0]
    beyond = np.float32(_SHADOW_DISTANCE) - seen[:, 2]
    scale = np.float32(_SHADOW_SIZE * _SHADOW_DISTANCE) / beyond
    edge = 2 * _SHADOW_SIZE - 1
    column = np.clip(seen[:, 0] * scale + np.float32(_SHADOW_SIZE), 0, edge).astype(np.int32)
    row = np.clip(np.float32(_SHADOW_SIZE) - seen[:, 1] * scale, 0, edge).astype(np.int32)
    # A margin keeps a surface from shading itself.
    behind = beyond - soft[row, column] - np.float32(_SHADOW_MARGIN)
    lit: np.ndarray = np.clip(1 - behind * np.float32(1 / _SHADOW_FALL), 0, 1)
    return lit


def shade(s: Surface, normal: np.ndarray, lit: np.ndarray, a: dict[str, float]) -> np.ndarray:
    """Linear colours of the points, [N, 3]; `normal` [N, 3] in the world, `lit` [N] from `lit_share`."""
    towards = towards_light(a)
    facing = normal[:, 0] * towards[0] + normal[:, 1] * towards[1] + normal[:, 2] * towards[2]
    diffuse = np.clip((facing[:, None] + _CREEP) * (1 / (1 + _CREEP)), 0, 1)
    reached = lit * (0.55 + 0.45 * s.occlusion)
    diffuse *= reached[:, None]
    # Shadows on skin are warm at their edge.
    diffuse[:, 0] *= 1.22 - 0.22 * reached
    warm = a["light_warmth"]
    key = np.array([1 + 0.14 * warm, 1.0, 1 - 0.22 * warm], np.float32) * np.float32(1.32 - 0.65 * a["ambience"])
    around = np.float32(0.09 + 0.38 * a["ambience"]) * (0.85 + 0.25 * normal[:, 1]) * s.occlusion
    halfway = towards + np.array([0, 0, 1], np.float32)
    halfway /= np.linalg.norm(halfway)
    shine = np.clip(normal[:, 0] * halfway[0] + normal[:, 1] * halfway[1] + normal[:, 2] * halfway[2], 0, 1)
    for _ in range(4):
        shine *= shine
    highlight = 0.16 * s.gloss * shine * np.clip(facing * 3, 0, 1) * lit
    return s.albedo * (around[:, None] + diffuse * key) + highlight[:, None] * key
