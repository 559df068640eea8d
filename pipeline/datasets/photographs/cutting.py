"""A photograph into a face: the one chain that training and every later use share."""

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.faces import Cut, Face, Photograph, Quality
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detection, Detector
from pipeline.datasets.photographs.hashing import hash_of, reduced
from pipeline.datasets.photographs.quality import quality

SAME_FACE = 0.3  # intersection over union from which a detected face is the one of a given box


class Unusable(Exception):
    """A photograph that gives no face.

    Attributes:
        reason: one of a few words, counted.
        detail: the same as a clause that follows the photograph's name.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class Bounds(NamedTuple):
    """Which faces are good enough to train on."""

    min_face_pixels: int
    min_sharpness: float
    min_exposure: float
    max_exposure: float
    max_yaw: float
    max_pitch: float
    max_roll: float


# uint8 [H, W, 3] RGB and landmarks [5, 2] in its pixels -> float32 [d]
Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Seconds(dict[str, float]):
    """Time spent, by what it was spent on: `lap` adds what went by since the last."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self[what] = self.get(what, 0.0) + now - self._last
        self._last = now


def cut(image: np.ndarray, detect: Detector, how: Cut, seconds: Seconds, known: Photograph | None = None) -> Face:
    """Find the face that is meant, and align it.

    Args:
        image: uint8 [H, W, 3] RGB.
        detect: finds faces; not asked where the source knows the landmarks.
        how: which face, and the frame.
        seconds: gets the time spent.
        known: what the source says of this photograph.

    Raises:
        Unusable: no face is found.
    """
    found, faces = _found(image, detect, how.choose, known)
    seconds.lap("detect")
    crop, landmarks = align(image, found.landmarks, how.image_size, how.margin)
    seconds.lap("align")
    detected = faces is not None
    box = found.box if detected or (known and known.box) else None
    score = found.score if detected else None
    return Face(crop, landmarks, points=found.landmarks, box=box, faces=faces, score=score)


def subject_face(file: Path, detect: Detector, how: Cut) -> Face:
    """The face of one photograph that a person chose, as `prepare` cuts it out; no bounds.

    Raises:
        Unusable: the file is no photograph, or shows no face.
    """
    try:
        image = decode(read(str(file)))
    except Undecodable as error:
        raise Unusable(error.reason, error.detail) from None
    return cut(image, detect, how, Seconds())


class Taken(NamedTuple):
    """A face before it is measured; the photograph is let go."""

    face: Face
    small: np.ndarray  # what the photograph's hash is made of


def take(photograph: Photograph, detect: Detector, how: Cut, embed: Embed | None, seconds: Seconds) -> Taken:
    """Read a candidate and cut its face out.

    Raises:
        Unusable: it cannot be read, or shows no face.
    """
    try:
        data = read(photograph.file, photograph.offset, photograph.size)
        seconds.lap("decode")
        content = hashlib.sha256(data).digest()
        if photograph.sha256 is not None and photograph.sha256 != content.hex():
            raise Unusable("changed", "the content is not what the manifest says; make the manifest again")
        seconds.lap("else")
        image = decode(data)
        seconds.lap("decode")
    except Undecodable as error:
        raise Unusable(error.reason, error.detail) from None
    face = cut(image, detect, how, seconds, photograph)._replace(content=content)
    small = reduced(image)
    seconds.lap("else")
    if embed is not None and face.points is not None:
        face = face._replace(embedding=embed(image, face.points))
        seconds.lap("recognise")
    return Taken(face, small)


def measure(taken: Taken, margin: float, bounds: Bounds) -> Face:
    """The face with its numbers, good enough to train on.

    Apart from `take`, so that a worker can do many at a time: after a detector nothing is left in the processor's
    caches, and each of these small steps would take three times as long.

    Raises:
        Unusable: it is outside a bound.
    """
    face, small = taken
    assert face.points is not None  # `cut` knows them
    measured = quality(face.image, face.points, margin)
    _check(face, measured, bounds)
    return face._replace(quality=measured, hash=hash_of(small))


def _found(image: np.ndarray, detect: Detector, choose: str, known: Photograph | None) -> tuple[Detection, int | None]:
    """The face that is meant, and how many were found; None where nothing had to be detected."""
    if known and known.landmarks:
        landmarks = np.array(known.landmarks, np.float32).reshape(5, 2)
        _check_inside(landmarks, image)
        return Detection(np.array(known.box or (0, 0, 0, 0), np.float32), landmarks, 0.0), None
    faces = detect(image)
    if not faces:
        raise Unusable("no_face", "no face was found")
    if known and known.box:
        best = max(faces, key=lambda face: _overlap(face.box, np.array(known.box)))
        if _overlap(best.box, np.array(known.box)) < SAME_FACE:
            raise Unusable("no_face_in_box", "no face was found where the manifest's box says")
        return best, len(faces)
    if choose == "central":
        middle = np.array([image.shape[1], image.shape[0]]) / 2
        return min(faces, key=lambda face: float(np.hypot(*(face.box[:2] + face.box[2:] / 2 - middle)))), len(faces)
    return faces[0], len(faces)


def _check_inside(landmarks: np.ndarray, image: np.ndarray) -> None:
    height, width = image.shape[:2]
    if not (np.ptp(landmarks, axis=0) > 0).any() or not (landmarks.mean(axis=0) >= 0).all():
        raise Unusable("bad_landmarks", "the given landmarks are in one place or outside the photograph")
    if not (landmarks.mean(axis=0) < (width, height)).all():
        raise Unusable("bad_landmarks", f"the given landmarks are outside the photograph of {width} x {height} pixels")


def _overlap(a: np.ndarray, b: np.ndarray) -> float:
    """Intersection over union of two boxes."""
    sides = np.minimum(a[:2] + a[2:], b[:2] + b[2:]) - np.maximum(a[:2], b[:2])
    both = float(np.prod(np.maximum(sides, 0)))
    return both / max(float(np.prod(a[2:]) + np.prod(b[2:])) - both, 1e-9)


def _check(face: Face, q: Quality, bounds: Bounds) -> None:
    """Turn down what is outside a bound; the first one that fails is the reason."""
    # Without a detector's box: it is about twice as wide as the eyes are apart.
    width = float(face.box[2]) if face.box is not None else 2 * q.eye_distance
    if width < bounds.min_face_pixels:
        wanted = f"at least {bounds.min_face_pixels} are asked for"
        raise Unusable("small_face", f"the face is {width:.0f} pixels wide, {wanted}")
    if q.sharpness < bounds.min_sharpness:
        raise Unusable("blurred", f"sharpness is {q.sharpness:.1f}, at least {bounds.min_sharpness:g} is asked for")
    if q.exposure < bounds.min_exposure:
        raise Unusable("dark", f"exposure is {q.exposure:.2f}, at least {bounds.min_exposure:g} is asked for")
    if q.exposure > bounds.max_exposure:
        raise Unusable("bright", f"exposure is {q.exposure:.2f}, at most {bounds.max_exposure:g} is asked for")
    for angle in ("yaw", "pitch", "roll"):
        value, most = getattr(q, angle), getattr(bounds, f"max_{angle}")
        if abs(value) > most:
            raise Unusable(f"large_{angle}", f"{angle} is {value:.0f} degrees, at most {most:g} are asked for")
