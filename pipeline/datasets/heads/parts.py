"""What is joined to the head: ears, neck, clothes, buns of hair, glasses."""

from functools import cache
from typing import NamedTuple

import numpy as np

from .mesh import grid_faces, grid_normals
from .sculpt import EYE_X, EYE_Y, crown_lift, skull_scale, smoothstep


class Part(NamedTuple):
    points: np.ndarray  # float32 [P, 3], before the pose
    normals: np.ndarray  # float32 [P, 3]
    faces: np.ndarray  # int32 [F, 3]
    surface: np.ndarray  # float32 [P, 3] in [0, 1]: coordinates that the part's colour depends on


def join(parts: list[Part]) -> Part:
    """Several parts as one."""
    starts = np.cumsum([0] + [len(part.points) for part in parts[:-1]])
    faces = np.concatenate([part.faces + start for part, start in zip(parts, starts, strict=True)])
    points, normals, _, surface = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Part(points, normals, faces.astype(np.int32), surface)


def _grid_part(points: np.ndarray, surface: np.ndarray) -> Part:
    """A closed-around part from a grid [rows, columns, 3] whose last column repeats the first."""
    rows, columns = points.shape[:2]
    flat = np.ascontiguousarray(points.reshape(-1, 3), np.float32)
    normals = grid_normals(points).reshape(-1, 3).astype(np.float32)
    surface = np.ascontiguousarray(np.broadcast_to(surface, points.shape).reshape(-1, 3), np.float32)
    return Part(flat, normals, grid_faces(rows, columns), surface)


@cache
def _ear_template() -> Part:
    """The right-hand ear at the origin, about 0.3 high, standing off the head."""
    radius = np.array([1.02, 1.05, 0.98, 0.88, 0.76, 0.62, 0.42, 0.2, 0.02])[:, None]
    rise = np.array([-0.03, 0.01, 0.045, 0.055, 0.045, 0.02, 0.012, 0.005, 0.0])[:, None]
    angle = np.linspace(-np.pi, np.pi, 25)[None, :]
    up, behind = radius * np.cos(angle), -radius * np.sin(angle)
    lobe = 1 - 0.3 * np.clip(-up, 0, 1)
    a, b = 0.088 * behind * lobe, 0.145 * up
    outward = rise + 0.25 * np.clip(a, 0, 1)
    turn = np.radians(24)
    x = outward * np.cos(turn) + (a + 0.07) * np.sin(turn)
    z = outward * np.sin(turn) - (a + 0.02) * np.cos(turn)
    points = np.stack(np.broadcast_arrays(x, b + 0.25 * a, z), -1).astype(np.float32)
    hollow = np.clip(1.0 - radius / 0.72, 0, 1) ** 0.6 + 0 * angle
    surface = np.stack([hollow, radius + 0 * angle, np.clip(-up, 0, 1) + 0 * radius], -1) / 1.1
    return _grid_part(points, surface)


def _mirrored(part: Part) -> Part:
    flip = np.array([-1, 1, 1], np.float32)
    return Part(part.points * flip, part.normals * flip, part.faces[:, ::-1], part.surface)


@cache
def _ears_template() -> Part:
    ear = _ear_template()
    return join([_mirrored(ear), ear])


def ears(p: dict[str, float]) -> Part:
    """Both ears of a person."""
    part = _ears_template()
    size = 1 + 0.36 * p["ear_size"]
    side = np.sign(np.arange(len(part.points)) - len(part.points) / 2 + 0.5)
    # Long hair presses the ears to the head.
    out = 0.462 * skull_scale(p)[0] - 0.06 * float(smoothstep(0.25, 0.45, p["hair_length"]))
    at = np.stack([side * out, np.full(len(side), -0.03), np.full(len(side), -0.03)], -1)
    return part._replace(points=(part.points * size + at).astype(np.float32))


def _sweep(path: np.ndarray, across: np.ndarray, depth: np.ndarray, radius: float) -> Part:
    """A tube of `radius` along a path [N, 3]; `across` and `depth` [N, 3] span its section."""
    angle = np.linspace(0, 2 * np.pi, 7)[:, None, None]
    ring = np.cos(angle) * across[None] + np.sin(angle) * depth[None]
    points = (path[None] + radius * ring).astype(np.float32)
    rows, columns = points.shape[:2]
    normals = np.ascontiguousarray(ring.reshape(-1, 3), np.float32)
    return Part(points.reshape(-1, 3), normals, grid_faces(rows, columns), np.zeros((rows * columns, 3), np.float32))


@cache
def _glasses_template() -> Part:
    """Two rims, a bridge and two temples around eyes at mean spacing, at z = 0 in front of the face."""
    angle = np.linspace(0, 2 * np.pi, 33)
    c, s = np.cos(angle), np.sin(angle)
    forward = np.array([0.0, 0.0, 1.0])
    parts = []
    for side in (-1.0, 1.0):
        shape = np.stack([np.sign(c) * np.abs(c) ** 0.75 * 0.145, np.sign(s) * np.abs(s) ** 0.8 * 0.108, 0 * c], -1)
        radial = np.stack([c, s, 0 * c], -1)
        rim = shape + np.array([side * EYE_X, EYE_Y - 0.01, 0])
        rim[:, 2] = -0.25 * np.maximum(np.abs(rim[:, 0]) - EYE_X, 0)
        parts.append(_sweep(rim, radial, np.tile(forward, (33, 1)), 0.019))
        t = np.linspace(0, 1, 6)[:, None]
        corner = np.array([side * (EYE_X + 0.15), EYE_Y + 0.03, -0.05])
        temple = corner + t * (np.array([side * 0.478, EYE_Y + 0.01, -0.62]) - corner)
        temple[1, 0] = side * 0.455
        temple[2:5, 0] = side * np.array([0.470, 0.480, 0.483])
        parts.append(_sweep(temple, np.tile([0, 1.4, 0], (6, 1)), np.tile([1.0, 0, 0.2], (6, 1)), 0.014))
    x = np.linspace(-0.09, 0.09, 7)
    bridge = np.stack([x, EYE_Y + 0.03 - 1.5 * x**2, 0.02 - 2.0 * x**2], -1)
    parts.append(_sweep(bridge, np.tile([0, 1.0, 0], (7, 1)), np.tile(forward, (7, 1)), 0.017))
    return join(parts)


def glasses(p: dict[str, float], eye_depth: float) -> Part:
    """Glasses on a person's nose: wide as the skull, as far out as the root of the nose asks."""
    part = _glasses_template()
    wide = skull_scale(p)[0]
    at = np.array([0, 0, eye_depth + 0.11], np.float32)
    return part._replace(points=(part.points * np.array([wide, 1, 1], np.float32) + at).astype(np.float32))


@cache
def _neck_template() -> Part:
    t = np.linspace(0, 1, 12)[:, None]
    angle = np.linspace(-np.pi, np.pi, 41)[None, :]
    radius = 0.275 - 0.03 * np.sin(np.pi * np.clip(t * 1.2, 0, 1)) + 0.18 * np.clip(t - 0.65, 0, 1) ** 1.5
    y = -0.20 - 0.75 * t + 0 * angle
    x = radius * np.sin(angle)
    z = -0.16 - 0.02 * t + 1.05 * radius * np.cos(angle)
    tendon = 0.012 * np.exp(-(((np.abs(angle) - 0.6 + 0.4 * t) / 0.15) ** 2)) * np.sin(np.pi * t)
    points = np.stack([x, y, z + tendon], -1)
    return _grid_part(points, np.stack([t + 0 * angle, angle / 7 + 0.5 + 0 * t, 0 * t * angle], -1))


def neck(p: dict[str, float]) -> Part:
    """The neck, from inside the head (0 in the surface's first coordinate) to the clothes (1)."""
    part = _neck_template()
    wide = np.array([1 + 0.2 * p["neck_width"], 1, 1], np.float32)
    return part._replace(points=part.points * wide)


@cache
def clothes() -> Part:
    """A collar and shoulders, the same for everybody."""
    rows = np.array([
        (-0.735, 0.275, 0.10, 0.46), (-0.725, 0.295, 0.125, 0.48), (-0.745, 0.33, 0.17, 0.50),
        (-0.79, 0.45, 0.24, 0.52), (-0.84, 0.62, 0.29, 0.52), (-0.90, 0.78, 0.33, 0.50),
        (-0.98, 0.90, 0.36, 0.46), (-1.10, 0.97, 0.39, 0.46), (-1.5, 1.0, 0.40, 0.46),
    ])  # fmt: skip
    angle = np.linspace(-np.pi, np.pi, 49)[None, :]
    y, width, front, back = (column[:, None] for column in rows.T)
    sine, cosine = np.sin(angle), np.cos(angle)
    x = width * np.sign(sine) * np.abs(sine) ** 0.9
    z = np.where(cosine > 0, front * np.abs(cosine) ** 0.9, -back * np.abs(cosine) ** 0.9)
    points = np.stack(np.broadcast_arrays(x, y - 0.055 * cosine * (y > -0.95), z), -1)
    return _grid_part(points, np.stack([0 * x + np.linspace(0, 1, len(rows))[:, None], x / 2.2 + 0.5, z / 2 + 0.5], -1))


@cache
def _ball() -> Part:
    latitude = np.linspace(0.05, np.pi - 0.05, 14)[:, None]
    angle = np.linspace(-np.pi, np.pi, 25)[None, :]
    points = np.stack(
        np.broadcast_arrays(np.sin(latitude) * np.sin(angle), np.cos(latitude), np.sin(latitude) * np.cos(angle)),
        -1,
    )
    surface = np.stack(np.broadcast_arrays(angle / (2 * np.pi) + 0.5, latitude / 6, 0.7 + 0 * angle), -1)
    return _grid_part(points, surface)


def buns(p: dict[str, float]) -> Part:
    """Two buns of hair, high at the sides of the head."""
    ball = _ball()
    size = np.float32(0.19 * p["hair_bun"] + 1e-4)
    out, up = 0.42 * skull_scale(p)[0], 0.56 + crown_lift(p)
    sides = [np.array([side * out, up, -0.15], np.float32) for side in (-1, 1)]
    return join([ball._replace(points=ball.points * size + at) for at in sides])
