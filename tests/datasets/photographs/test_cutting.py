"""The chain from a photograph to a face: which face is meant, and what turns one down."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.datasets.faces import Cut, Face, Photograph
from pipeline.datasets.photographs.alignment import TEMPLATE, framed, pixels
from pipeline.datasets.photographs.cutting import Unusable, find, frame, subject_face
from pipeline.datasets.photographs.detection import Detection, Detector

HOW = Cut(32, 0.0, "largest")


def find_squares(image: np.ndarray) -> list[Detection]:
    """The faces of these tests: squares of at least 10 by 10 pixels, each in a green of its own."""
    faces = []
    for green in range(200, 256):
        y, x = np.nonzero((image[..., 1] == green) & (image[..., 0] == 0))
        if len(x) >= 100:
            left, top, side = x.min(), y.min(), x.max() - x.min() + 1
            landmarks = (left, top) + TEMPLATE * side - 0.5
            box = np.array([left, top, side, side], dtype=np.float32)
            faces.append(Detection(box, landmarks.astype(np.float32), 0.9))
    return sorted(faces, key=lambda face: -face.box[2])


def painted(*sides: int) -> np.ndarray:
    """A photograph of squares with some texture, side by side."""
    image = np.full((120, 300, 3), 90, dtype=np.uint8)
    image[::3, ::2] = (250, 100, 20)
    left = 10
    for i, side in enumerate(sides):
        image[10 : 10 + side, left : left + side] = (0, 200 + i, 0)
        left += side + 10
    return image


def cut(image: np.ndarray, how: Cut = HOW, known: Photograph | None = None, detect: Detector = find_squares) -> Face:
    return frame(image, find(image, detect, how, known), how)


def shown(face, green: int) -> bool:
    return bool((face.image[10:20, 10:20] == (0, green, 0)).all())


def test_the_largest_of_several_faces_is_meant_and_their_number_known() -> None:
    face = cut(painted(30, 80, 50))
    assert shown(face, 201)
    assert face.faces == 3
    assert face.score == pytest.approx(0.9)
    assert face.box.tolist() == [50, 10, 80, 80]
    np.testing.assert_allclose(face.landmarks, pixels(TEMPLATE, 32), atol=0.01)


def test_or_the_one_nearest_to_the_middle() -> None:
    assert shown(cut(painted(80, 30, 50), HOW._replace(choose="central")), 202)


def test_or_the_one_in_the_box_that_the_source_knows() -> None:
    known = Photograph("m/1", None, "train", "1.png", box=(48.0, 12.0, 32.0, 28.0))
    assert shown(cut(painted(30, 30, 80), HOW, known), 201)
    with pytest.raises(Unusable) as turned_down:
        cut(painted(30, 30, 80), HOW, known._replace(box=(200.0, 90.0, 20.0, 20.0)))
    assert turned_down.value.reason == "no_face_in_box"


def test_known_landmarks_need_no_detector() -> None:
    def never(_: np.ndarray) -> list[Detection]:
        raise AssertionError("the detector was asked")

    landmarks = ((50, 10) + TEMPLATE * 80 - 0.5).ravel().tolist()
    known = Photograph("m/1", None, "train", "1.png", landmarks=tuple(landmarks))
    face = cut(painted(30, 80), HOW, known, never)
    assert shown(face, 201)
    assert (face.faces, face.score, face.box) == (None, None, None)


@pytest.mark.parametrize(
    "landmarks", [(5.0,) * 10, tuple(TEMPLATE.ravel() * 50 + 400), tuple(TEMPLATE.ravel() * 50 - 90)]
)
def test_landmarks_that_cannot_be_are_turned_down(landmarks: tuple[float, ...]) -> None:
    with pytest.raises(Unusable) as turned_down:
        cut(painted(60), HOW, Photograph("m/1", None, "train", "1.png", landmarks=landmarks))
    assert turned_down.value.reason == "bad_landmarks"


def test_a_margin_shows_more_around_the_same_face() -> None:
    near, far = (cut(painted(60), HOW._replace(margin=m)) for m in (0.0, 0.5))
    eyes = [np.hypot(*(face.landmarks[1] - face.landmarks[0])) for face in (near, far)]
    assert eyes[0] / eyes[1] == pytest.approx(1.5, abs=0.01)
    np.testing.assert_allclose(far.landmarks, pixels(framed(TEMPLATE, 0.5), 32), atol=0.01)


def test_a_photograph_without_a_face_or_without_a_picture_says_so(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "none.png"), painted())
    (tmp_path / "empty.png").touch()
    for name, reason in (("none.png", "no_face"), ("empty.png", "empty"), ("gone.png", "unreadable")):
        with pytest.raises(Unusable) as turned_down:
            subject_face(tmp_path / name, find_squares, HOW)
        assert turned_down.value.reason == reason
