"""From two vectors to a picture: shape, pose, rasterize, paint, light, put before the background."""

from collections.abc import Callable
from typing import Any, NamedTuple

import cv2
import numpy as np

from . import hair, mesh, parts, sculpt
from .background import background
from .canvas import CLOTHES, EAR, FRAME, GLASSES, HAIR, HEAD, NECK, Canvas, Pixels, project
from .colors import clothes_color, skin_color
from .features import Face
from .light import lit_share, shade, towards_light
from .parts import Part
from .skin import skin_surface
from .texture import Surface
from .vectors import ATTRIBUTES, IDENTITY, named

# The joint of head and neck.
_PIVOT = np.array([0.0, -0.28, 0.05], np.float32)
_SUPERSAMPLED = 2


class Rendering(NamedTuple):
    image: np.ndarray  # uint8 [S, S, 3] RGB
    landmarks: np.ndarray  # float32 [5, 2] pixels (x, y): left eye, right eye as seen, nose tip, mouth corners


class _Pose:
    """Turns parts of the head about its joint: yaw first, then pitch, then roll."""

    def __init__(self, a: dict[str, float]):
        angles = np.radians([a["yaw"], a["pitch"], a["roll"]])
        (sy, sp, sr), (cy, cp, cr) = np.sin(angles), np.cos(angles)
        yaw = np.array([[cy, 0, sy], [0, 1, 0], [-sy, 0, cy]])
        pitch = np.array([[1, 0, 0], [0, cp, sp], [0, -sp, cp]])
        roll = np.array([[cr, sr, 0], [-sr, cr, 0], [0, 0, 1]])
        # einsum and cv2.transform, not @: BLAS would wake threads, and its sums depend on how many.
        self.turn = np.einsum("ij,jk,kl->il", roll, pitch, yaw).astype(np.float32)
        shift = _PIVOT - np.einsum("ij,j->i", self.turn, _PIVOT)
        self.move = np.concatenate([self.turn, shift[:, None]], 1).astype(np.float32)

    def points(self, points: np.ndarray) -> np.ndarray:
        return cv2.transform(points[None], self.move)[0]

    def part(self, part: Part) -> Part:
        return part._replace(points=self.points(part.points), normals=cv2.transform(part.normals[None], self.turn)[0])


def _neck(p: dict[str, float], pose: _Pose) -> Part:
    """The neck: its top turns with the head, its foot stays with the clothes."""
    still = parts.neck(p)
    turned = pose.part(still)
    free = sculpt.smoothstep(0.1, 0.85, still.surface[:, :1])
    return turned._replace(points=(turned.points + free * (still.points - turned.points)).astype(np.float32))


def _hair(p: dict[str, float]) -> list[Part]:
    found = []
    if p["hair_cover"] * p["hair_volume"] > 0:
        points, normals, surface = hair.shell(p)
        found.append(Part(points, normals, hair.faces(), surface))
    if p["hair_bun"] > 0:
        found.append(parts.buns(p))
    return found


def _head(shape: mesh.Head) -> Part:
    surface = np.clip(shape.points * np.float32(0.5) + np.float32(0.5), 0, 1)
    return Part(shape.points, shape.normals, mesh.grid_faces(sculpt.ROWS, sculpt.COLUMNS), surface)


def _paint(pixels: Pixels, p: dict[str, float], a: dict[str, float], pixel: float) -> Surface:
    """The surface at the pixels; `pixel` is the size of one in the world."""
    total = len(pixels.kind)
    albedo = np.zeros((total, 3), np.float32)
    gloss = np.zeros(total, np.float32)
    occlusion = np.ones(total, np.float32)
    bend = np.zeros((total, 2), np.float32)

    def put(kind: int, paint: Callable[..., tuple[Any, ...]]) -> None:
        at = np.flatnonzero(pixels.kind == kind)
        albedo[at], gloss[at], occlusion[at], bend[at] = paint(*pixels.surface[at].T.copy())

    skin = skin_color(p)
    face = Face.of(p, a, pixel)
    put(HEAD, lambda x, y, z: skin_surface(face, 2 * x - 1, 2 * y - 1, 2 * z - 1))
    put(HAIR, lambda angle, fall, depth: hair.hair_surface(p, angle, fall, depth))
    put(
        NECK,
        lambda down, _u, _v: (
            skin * np.float32(0.95),
            0.1,
            0.45 + 0.5 * sculpt.smoothstep(0.3, 0.85, down),
            0.0,
        ),
    )
    ear = skin * np.array([1.0, 0.84, 0.80], np.float32)
    put(EAR, lambda hollow, _u, _v: (ear, 0.15, 0.95 - 0.6 * hollow, 0.0))
    cloth = clothes_color(a)
    collar = np.float32(0.72)
    put(CLOTHES, lambda down, _u, _v: (np.where(down[:, None] < 0.24, cloth * collar, cloth), 0.0, 0.95, 0.0))
    put(GLASSES, lambda _u, _v, _w: (np.array([0.012, 0.011, 0.012], np.float32), 1.0, 1.0, 0.0))
    return Surface(albedo, gloss, occlusion, bend)


def _normals(slope: np.ndarray) -> np.ndarray:
    """Unit normals from their x and y, [N, 2] -> [N, 3]; what is seen faces the camera."""
    rest = np.sqrt(np.clip(1 - np.square(slope).sum(1), 0.0025, 1))
    normal = np.concatenate([slope, rest[:, None]], 1)
    return normal / np.sqrt(np.square(normal).sum(1))[:, None]


def render(identity: np.ndarray, attributes: np.ndarray, image_size: int) -> Rendering:
    """Draws a person in the given circumstances.

    Args:
        identity: float32 [len(IDENTITY)].
        attributes: float32 [len(ATTRIBUTES)]. Positive yaw turns the face towards the viewer's right, the
            image's; positive pitch looks up; positive roll turns clockwise in the image; positive
            light_azimuth is light from the image's right.
        image_size: Pixels of a side.
    """
    p, a = named(identity, IDENTITY), named(attributes, ATTRIBUTES)
    a["mouth_open"] = sculpt.parted(a)
    pose = _Pose(a)
    shape = mesh.head(p | a)
    canvas = Canvas(image_size * _SUPERSAMPLED)
    face, hairs = pose.part(_head(shape)), [pose.part(part) for part in _hair(p)]
    canvas.draw(face, HEAD, both_sides=False)
    canvas.draw(_neck(p, pose), NECK, both_sides=False)
    canvas.draw(pose.part(parts.ears(p)), EAR, both_sides=True)
    canvas.draw(parts.clothes(), CLOTHES, both_sides=False)
    for part in hairs:
        canvas.draw(part, HAIR, both_sides=p["hair_length"] > 0.25)
    if a["glasses"] > 0.5:
        canvas.draw(pose.part(parts.glasses(p, float(shape.anchors[0, 2]))), GLASSES, both_sides=True)

    pixels = canvas.pixels()
    surface = _paint(pixels, p, a, 2.0 * FRAME / canvas.size)
    casters = [face._replace(faces=mesh.coarse_faces()), *hairs]
    lit = lit_share(casters, pixels.place, towards_light(a))
    colour = shade(surface, _normals(pixels.slope + surface.bend), lit, a)

    picture = cv2.resize(background(a, image_size), (canvas.size, canvas.size), interpolation=cv2.INTER_NEAREST)
    picture.reshape(-1, 3)[pixels.seen] = np.sqrt(np.clip(colour, 0, 1))
    small = cv2.resize(picture, (image_size, image_size), interpolation=cv2.INTER_AREA)
    image = np.rint(small * 255).astype(np.uint8)
    return Rendering(image, project(pose.points(shape.anchors), image_size))
