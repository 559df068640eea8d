"""Which of the faces of a film is the one that is meant, from picture to picture."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import cv2
import numpy as np

from pipeline.datasets.photographs.detection import SMALLEST_SIDE, Detection, Detector

SAME_FACE = 0.3  # intersection over union from which a face is the one that was here a picture ago
SURROUNDINGS = 3.0  # sides of the last box that are searched first
PATIENCE = 0.5  # seconds that a face may be hidden before another one is chosen
CUT = 40.0  # mean difference of two pictures, in levels, from which on the scene is another
THUMBNAIL = (18, 32)  # samples of a picture by which that is told

Choice = Callable[[np.ndarray, Sequence[Detection]], Detection | None]  # a picture and its faces, at least one


class Followed(NamedTuple):
    """The face that is meant, in one picture."""

    face: Detection
    chosen: bool  # rather than followed: it may be somebody else than before


def at_largest(image: np.ndarray, faces: Sequence[Detection]) -> Detection:
    return max(faces, key=lambda face: float(np.prod(face.box[2:])))


def at_left(image: np.ndarray, faces: Sequence[Detection]) -> Detection:
    return min(faces, key=lambda face: float(_middle(face)[0]))


def at_right(image: np.ndarray, faces: Sequence[Detection]) -> Detection:
    return max(faces, key=lambda face: float(_middle(face)[0]))


def at_centre(image: np.ndarray, faces: Sequence[Detection]) -> Detection:
    centre = np.array([image.shape[1], image.shape[0]]) / 2
    return min(faces, key=lambda face: float(np.hypot(*(_middle(face) - centre))))


PLACES: dict[str, Choice] = {"left": at_left, "right": at_right, "largest": at_largest, "central": at_centre}


class Follower:
    """Stays with a face by the overlap of its boxes; chooses anew at the start, at a cut, and when it is long gone.

    Args:
        detect: finds faces; asked first for the surroundings of the last place, which takes a fraction of the time.
        choose: which of several.
    """

    def __init__(self, detect: Detector, choose: Choice) -> None:
        self._detect, self._choose = detect, choose
        self._box: np.ndarray | None = None
        self._seen = 0.0  # seconds; when the face was there last
        self._thumbnail: np.ndarray | None = None

    def __call__(self, image: np.ndarray, seconds: float) -> Followed | None:
        """The face that is meant; None where it is not to be seen."""
        if self._cut(image) or seconds - self._seen > PATIENCE:
            self._box = None
        chosen = self._box is None
        if self._box is None:
            faces = self._detect(image)
            face = self._choose(image, faces) if faces else None
        else:
            face = _nearest(around(image, self._box, self._detect), self._box)
            face = face or _nearest(self._detect(image), self._box)
        if face is None:
            return None
        self._box, self._seen = face.box, seconds
        return Followed(face, chosen)

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        box, thumbnail = (None if array is None else array.tolist() for array in (self._box, self._thumbnail))
        return {"box": box, "seen": self._seen, "thumbnail": thumbnail}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the one that said this of itself."""
        self._box = None if state["box"] is None else np.array(state["box"], np.float32)
        self._seen = float(state["seen"])
        self._thumbnail = None if state["thumbnail"] is None else np.array(state["thumbnail"], np.float32)

    def _cut(self, image: np.ndarray) -> bool:
        rows, columns = (
            np.linspace(0, side - 1, n).astype(int) for side, n in zip(image.shape, THUMBNAIL, strict=False)
        )
        before, self._thumbnail = self._thumbnail, image[rows[:, None], columns].astype(np.float32)
        return before is not None and float(np.abs(self._thumbnail - before).mean()) > CUT


def around(image: np.ndarray, box: np.ndarray, detect: Detector) -> list[Detection]:
    """The faces in the surroundings of a box, in pixels of the image."""
    middle, reach = box[:2] + box[2:] / 2, SURROUNDINGS / 2 * max(float(box[2:].max()), 1)
    left, top = np.maximum(np.floor(middle - reach), 0).astype(int)
    part = image[top : int(middle[1] + reach) + 1, left : int(middle[0] + reach) + 1]
    if not part.size:
        return []
    factor = max(part.shape[0] / SMALLEST_SIDE, part.shape[1] / SMALLEST_SIDE, 1)
    size = (max(1, round(part.shape[1] / factor)), max(1, round(part.shape[0] / factor)))
    small = np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA) if factor > 1 else part, np.uint8)
    back = np.array([part.shape[1] / size[0], part.shape[0] / size[1]], np.float32)
    corner = np.array([left, top], np.float32)

    def moved(points: np.ndarray) -> np.ndarray:
        return (points + 0.5) * back - 0.5 + corner

    return [
        Detection(np.concatenate([moved(face.box[:2]), face.box[2:] * back]), moved(face.landmarks), face.score)
        for face in detect(small)
    ]


def _nearest(faces: Sequence[Detection], box: np.ndarray) -> Detection | None:
    if not faces:
        return None
    best = max(faces, key=lambda face: overlap(face.box, box))
    return best if overlap(best.box, box) >= SAME_FACE else None


def overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes: left, top, width, height."""
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    return both / max(float(np.prod(a[2:]) + np.prod(b[2:])) - both, 1e-9)


def _middle(face: Detection) -> np.ndarray:
    return np.asarray(face.box[:2] + face.box[2:] / 2)
