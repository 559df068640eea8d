"""The head as a mesh, quickly: the mean head plus a weighted sum of what each number changes.

The sculptor works slowly, and only twice per number in the life of a process.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

from .sculpt import COLUMNS, ROWS, SCULPTED, sculpt


class Head(NamedTuple):
    points: np.ndarray  # float32 [ROWS * COLUMNS, 3], before the pose
    normals: np.ndarray  # float32 [ROWS * COLUMNS, 3]
    anchors: np.ndarray  # float32 [5, 3]: left eye, right eye, nose tip, left and right mouth corner


@cache
def _basis() -> tuple[np.ndarray, np.ndarray]:
    """The mean head [P * 3] and its change by one unit of each sculpted number [K, P * 3], float32."""
    still = dict.fromkeys(SCULPTED, 0.0)
    changes = [(sculpt(still | {n: 1.0}) - sculpt(still | {n: -1.0})) / 2 for n in SCULPTED]
    return sculpt(still).ravel().astype(np.float32), np.stack(changes).reshape(len(SCULPTED), -1).astype(np.float32)


@cache
def grid_faces(rows: int, columns: int) -> np.ndarray:
    """The triangles of a grid of points, int32 [2 * (rows - 1) * (columns - 1), 3], seen from outside."""
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]
    faces = np.stack([np.stack([a, c, b], -1), np.stack([b, c, d], -1)], 2)
    return np.ascontiguousarray(faces.reshape(-1, 3), np.int32)


@cache
def coarse_faces() -> np.ndarray:
    """The head's triangles between every second row and column, enough to cast a shadow."""
    rows, columns = np.arange(0, ROWS, 2), np.arange(0, COLUMNS, 2)
    kept = (rows[:, None] * COLUMNS + columns).astype(np.int32).ravel()
    return np.ascontiguousarray(kept[grid_faces(len(rows), len(columns))])


def grid_normals(points: np.ndarray) -> np.ndarray:
    """Unit normals of a grid of points, outward, [rows, columns, 3] -> [rows, columns, 3]."""
    down = np.empty_like(points)
    along = np.empty_like(points)
    down[1:-1], down[0], down[-1] = points[2:] - points[:-2], points[1] - points[0], points[-1] - points[-2]
    along[:, 1:-1] = points[:, 2:] - points[:, :-2]
    # The first and the last column are the same seam at the back of the head.
    along[:, 0] = along[:, -1] = points[:, 1] - points[:, -2]
    (dx, dy, dz), (ax, ay, az) = np.moveaxis(down, -1, 0), np.moveaxis(along, -1, 0)
    normal = np.stack([dy * az - dz * ay, dz * ax - dx * az, dx * ay - dy * ax], -1)
    return normal / (np.sqrt(np.einsum("rck,rck->rc", normal, normal))[..., None] + 1e-9)


def head(numbers: dict[str, float]) -> Head:
    """The head of a person with an expression; `numbers` has an entry for each of SCULPTED."""
    mean, changes = _basis()
    weights = np.array([numbers[name] for name in SCULPTED], np.float32)
    everything = (mean + np.einsum("k,kn->n", weights, changes)).reshape(-1, 3)
    points = everything[: ROWS * COLUMNS]
    normals = grid_normals(points.reshape(ROWS, COLUMNS, 3)).reshape(-1, 3)
    return Head(points, normals, everything[ROWS * COLUMNS :])
