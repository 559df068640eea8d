"""Hair as a curtain around the skull: every column falls from the crown to its own tip."""

from functools import cache

import numpy as np

from .colors import hair_color
from .mesh import grid_faces, grid_normals
from .sculpt import crown_lift, section, skull_scale, smoothstep
from .texture import Surface, blend, sample

HAIR_ROWS, HAIR_COLUMNS = 30, 73
CROWN = 0.80


@cache
def _angles() -> np.ndarray:
    """Angles of the columns about the vertical, 0 in front, [HAIR_COLUMNS]."""
    return np.linspace(-np.pi, np.pi, HAIR_COLUMNS)


@cache
def _texture() -> np.ndarray:
    """Noise of a fixed seed in [-1, 1], periodic in its columns, float32 [HAIR_ROWS, HAIR_COLUMNS]."""
    noise = np.random.default_rng(5).uniform(-1, 1, (HAIR_ROWS, HAIR_COLUMNS))
    noise[:, -1] = noise[:, 0]
    return noise.astype(np.float32)


@cache
def faces() -> np.ndarray:
    return grid_faces(HAIR_ROWS, HAIR_COLUMNS)


def tips(p: dict[str, float]) -> np.ndarray:
    """The height at which the hair of each column ends, [HAIR_COLUMNS].

    In front that is the hairline or the fringe, at the sides and behind it follows the length: from above the
    ears to the shoulders.
    """
    angle = _angles()
    turn = np.abs(angle)
    hairline = 0.50 + 0.7 * crown_lift(p) + 0.03 * p["forehead"]
    receding = 0.17 * p["hair_receding"] * np.exp(-(((turn - 0.55) / 0.3) ** 2)) + 0.05 * p["hair_receding"]
    slant = 0.16 * p["hair_part"] * np.tanh(1.6 * angle) * p["hair_fringe"]
    fringe = 0.27 * p["hair_fringe"] * (1 - 0.3 * p["hair_receding"])
    front = hairline + receding - fringe - slant
    length = p["hair_length"]
    side = np.interp(length, [0.0, 0.15, 0.35, 0.65, 1.0], [0.10, 0.02, -0.12, -0.48, -0.92])
    back = np.interp(length, [0.0, 0.15, 0.35, 0.65, 1.0], [-0.22, -0.30, -0.36, -0.52, -0.98])
    beside = side + (back - side) * smoothstep(1.5, 2.2, turn)
    ragged = (0.02 + 0.03 * p["hair_fringe"]) * _texture()[0]
    front = front + ragged
    return front + (beside - front) * smoothstep(0.80, 1.16, turn)


def _thickness(p: dict[str, float], height: np.ndarray, share: np.ndarray) -> np.ndarray:
    """How far the hair stands off the skull, on the grid; `share` is 0 at the crown, 1 at the tip."""
    angle = _angles()[None, :]
    volume, length, curl = p["hair_volume"], p["hair_length"], p["hair_curl"]
    top = smoothstep(0.30, 0.75, height)
    fullness = 0.035 + 0.05 * volume + 0.03 * length + 0.14 * volume * curl
    thick = fullness * (0.75 + 0.25 * np.cos(angle) * top) + 0.09 * volume * (1 - curl) * top
    parting = np.exp(-(((angle - 1.3 * p["hair_part"]) / 0.16) ** 2)) * smoothstep(0.45, 0.7, height)
    thick = thick * (1 - 0.6 * parting * (1 - curl)) * (1 + 0.35 * p["hair_part"] * np.tanh(-2 * angle) * top)
    beside = np.exp(-(((np.abs(angle) - 1.65) / 0.45) ** 2) - ((height + 0.03) / 0.25) ** 2)
    thick = thick + 0.06 * beside * smoothstep(0.25, 0.5, length)
    return thick * np.clip(7 * (1 - share), 0.0, 1.0)


def shell(p: dict[str, float]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points, normals and surface coordinates before the pose, float32 [HAIR_ROWS * HAIR_COLUMNS, 3].

    The surface coordinates, in [0, 1], are the angle, the distance from the crown, and the thickness of the
    hair, which is darker where it is thin.
    """
    angle = _angles()[None, :]
    share = np.linspace(0.0, 1.0, HAIR_ROWS)[:, None]
    tip = tips(p)[None, :]
    # The skull is flat on top: rows follow a quarter of a circle there.
    height = CROWN + 0.005 - (CROWN - tip) * (0.25 * share + 0.75 * share**1.6)
    width, front, back, roundness = section(np.maximum(height, 0.02))
    wide, fore, rear = skull_scale(p)
    width, front, back = width * wide, front * fore, back * rear
    even = _thickness(p, height, share)
    thick = even * (1 + (0.06 + 0.28 * p["hair_curl"]) * _texture())
    # The last row tucks under the skin, or closes the lock where it hangs free.
    inside = np.where(share == 1.0, 0.03, 0.0)
    sine, cosine = np.sin(angle), np.cos(angle)
    power = 2.0 / roundness
    off = thick - inside
    x = (width + off) * np.sign(sine) * np.abs(sine) ** power
    z = np.where(cosine > 0, (front + off) * np.abs(cosine) ** power, -(back + off) * np.abs(cosine) ** (2 / 2.2))
    hang = smoothstep(0.0, -0.6, height)
    z = np.where(cosine > 0, z, z * (1 - 0.3 * hang))
    y = height + crown_lift(p) * smoothstep(0.25, 0.8, height) + 0.75 * thick * smoothstep(0.5, 0.8, height)
    points = np.stack(np.broadcast_arrays(x, y, z), -1).astype(np.float32)
    depth = even / (even.max() + 1e-6)
    surface = np.stack(np.broadcast_arrays(angle / (2 * np.pi) + 0.5, (CROWN - height) / 2.0, depth), -1)
    return (
        points.reshape(-1, 3),
        grid_normals(points).reshape(-1, 3),
        np.clip(surface, 0, 1).astype(np.float32).reshape(-1, 3),
    )


def hair_surface(p: dict[str, float], angle: np.ndarray, fall: np.ndarray, depth: np.ndarray) -> Surface:
    """Strands that run from the crown to the tips, or curls; `angle`, `fall` and `depth` are [N]."""
    curl = p["hair_curl"]
    # The depth keeps strands apart where a lock ends and the angle stands still.
    strand = sample("strand", angle * 560 + depth * 50, fall * 90)
    curls = sample("fine", angle * 300 + depth * 70, fall * 190)
    grain = (1 - curl) * strand + curl * curls
    tone = hair_color(p)
    albedo = tone * np.clip(1 + 0.27 * grain, 0.2, 2)[:, None]
    if p["hair_grayness"] > 0:
        blend(
            albedo,
            np.array([0.6, 0.6, 0.62], np.float32),
            0.4 * p["hair_grayness"] * np.clip(grain - 0.8, 0, 1),
        )
    occlusion = 0.45 + 0.55 * smoothstep(0.0, 0.8, depth) - 0.12 * np.clip(-grain, 0, 1)
    bend = np.stack([0.25 * grain, 0.15 * curl * grain], -1).astype(np.float32)
    return Surface(albedo.astype(np.float32), (0.8 * (1 - 0.8 * curl)) + 0 * angle, occlusion, bend)
