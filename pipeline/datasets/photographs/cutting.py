"""A photograph into a face: the steps that training and every later use share."""

from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.faces import Cut, Face, Photograph
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detection, Detector

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


class Found(NamedTuple):
    """The face that is meant, in pixels of the photograph."""

    landmarks: np.ndarray  # float32 [5, 2]
    box: np.ndarray | None  # float32 [4]: left, top, width, height
    faces: int | None  # found in the photograph; None where nothing had to be detected
    score: float | None


def subject_face(file: Path, detect: Detector, how: Cut) -> Face:
    """The face of one photograph that a person chose, as `prepare` cuts it out; no bounds.

    Raises:
        Unusable: the file is no photograph, or shows no face.
    """
    try:
        image = decode(read(file))
    except Undecodable as error:
        raise Unusable(error.reason, error.detail) from None
    return frame(image, find(image, detect, how), how)


def find(image: np.ndarray, detect: Detector, how: Cut, known: Photograph | None = None) -> Found:
    """Find the face that is meant.

    Args:
        image: uint8 [H, W, 3] RGB.
        detect: finds faces; not asked where the source knows the landmarks.
        how: which of several faces.
        known: what the source says of this photograph.

    Raises:
        Unusable: no face is found.
    """
    box = np.array(known.box, np.float32) if known and known.box else None
    if known and known.landmarks:
        landmarks = np.array(known.landmarks, np.float32).reshape(5, 2)
        _check_inside(landmarks, image)
        return Found(landmarks, box, None, None)
    faces = detect(image)
    if not faces:
        raise Unusable("no_face", "no face was found")
    best = _meant(faces, image, how.choose) if box is None else _in_box(faces, box)
    return Found(best.landmarks, best.box, len(faces), best.score)


def frame(image: np.ndarray, found: Found, how: Cut) -> Face:
    """The face that was found, aligned."""
    crop, landmarks = align(image, found.landmarks, how.image_size, how.margin)
    return Face(crop, landmarks, points=found.landmarks, box=found.box, faces=found.faces, score=found.score)


def _meant(faces: list[Detection], image: np.ndarray, choose: str) -> Detection:
    if choose == "largest":
        return faces[0]
    middle = np.array([image.shape[1], image.shape[0]]) / 2
    return min(faces, key=lambda face: float(np.hypot(*(face.box[:2] + face.box[2:] / 2 - middle))))


def _in_box(faces: list[Detection], box: np.ndarray) -> Detection:
    best = max(faces, key=lambda face: _overlap(face.box, box))
    if _overlap(best.box, box) < SAME_FACE:
        raise Unusable("no_face_in_box", "no face was found where the manifest's box says")
    return best


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
