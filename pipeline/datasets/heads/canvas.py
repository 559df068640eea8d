"""The camera, and what it sees at each pixel."""

from functools import cache
from typing import NamedTuple

import cv2
import numpy as np

from .parts import Part

CAMERA = 7.0
# Half the side of what the camera shows of the plane z = 0, and the height of its middle: the head with its hair.
FRAME, MIDDLE = 0.82, -0.04
FAR = 100.0
HEAD, NECK, EAR, HAIR, CLOTHES, GLASSES = range(1, 7)
_KINDS = 8


@cache
def _view(distance: float, middle: float) -> np.ndarray:
    view = np.eye(4, dtype=np.float32)
    view[1:3, 3] = -middle, -distance
    return view


@cache
def settings(both_sides: bool) -> cv2.TriangleRasterizeSettings:
    """Colours interpolated over each triangle; triangles seen from behind are skipped unless `both_sides`."""
    chosen = cv2.TriangleRasterizeSettings()
    chosen.setShadingType(cv2.RASTERIZE_SHADING_SHADED)
    chosen.setCullingMode(cv2.RASTERIZE_CULLING_NONE if both_sides else cv2.RASTERIZE_CULLING_CW)
    return chosen


def lens(
    distance: float, both_sides: bool, frame: float = 1.0, middle: float = 0.0
) -> tuple[np.ndarray, float, float, float, cv2.TriangleRasterizeSettings]:
    """The camera for cv2.triangleRasterize, at `distance` on the z axis: of z = 0 it shows `frame` around `middle`."""
    return _view(distance, middle), float(2 * np.arctan(frame / distance)), 1.0, FAR, settings(both_sides)


def project(points: np.ndarray, image_size: int) -> np.ndarray:
    """World points [N, 3] to pixels [N, 2], the top left pixel's corner at 0."""
    plane = points[:, :2] * (CAMERA / (CAMERA - points[:, 2:]))
    plane[:, 1] = MIDDLE * (CAMERA / (CAMERA - points[:, 2])) - plane[:, 1]
    return ((plane / FRAME + 1) * (image_size / 2)).astype(np.float32)


class Pixels(NamedTuple):
    """The N pixels that show something."""

    seen: np.ndarray  # int64 [N], their places in the picture, row by row
    kind: np.ndarray  # int32 [N], HEAD to GLASSES
    surface: np.ndarray  # float32 [N, 3] in [0, 1], what the part's colour depends on
    slope: np.ndarray  # float32 [N, 2], x and y of the normal in the world
    place: np.ndarray  # float32 [N, 3], in the world


class Canvas:
    """Draws parts in front of each other."""

    def __init__(self, size: int):
        self.size = size
        self._surface = np.zeros((size, size, 3), np.float32)
        self._code = np.zeros((size, size, 3), np.float32)
        self._depth = np.full((size, size), FAR, np.float32)

    def draw(self, part: Part, kind: int, both_sides: bool) -> None:
        """Draws a posed part, twice because a pixel has room for three numbers only."""
        code = part.normals * 0.5 + 0.5
        code[:, 2] = (kind + 0.5) / _KINDS
        view = lens(CAMERA, both_sides, FRAME, MIDDLE)
        cv2.triangleRasterize(part.points, part.faces, part.surface, self._surface, self._depth.copy(), *view)
        cv2.triangleRasterize(part.points, part.faces, code, self._code, self._depth, *view)

    def pixels(self) -> Pixels:
        """What was drawn."""
        # The rasterizer leaves empty pixels a rounding error short of FAR.
        seen = np.flatnonzero(self._depth < 0.5 * FAR)
        code = self._code.reshape(-1, 3).take(seen, 0)
        depth = self._depth.ravel().take(seen)
        rows, columns = seen // self.size, seen % self.size
        place = np.empty((len(depth), 3), np.float32)
        scale = depth * np.float32(2 * FRAME / (self.size * CAMERA))
        place[:, 0] = (columns + np.float32(0.5 - self.size / 2)) * scale
        place[:, 1] = (np.float32(self.size / 2 - 0.5) - rows) * scale + np.float32(MIDDLE)
        place[:, 2] = np.float32(CAMERA) - depth
        kind = (code[:, 2] * _KINDS).astype(np.int32)
        return Pixels(seen, kind, self._surface.reshape(-1, 3).take(seen, 0), code[:, :2] * 2 - 1, place)
