"""The chain from a photograph to a face: which face is meant, and what turns one down."""

import hashlib
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.faces import Cut, Photograph
from pipeline.datasets.photographs.alignment import TEMPLATE, framed, pixels
from pipeline.datasets.photographs.cutting import Bounds, Seconds, Unusable, cut, measure, subject_face, take
from pipeline.datasets.photographs.detection import Detection

HOW = Cut(32, 0.0, "largest")
OPEN = Bounds(20, 0.0, 0.0, 1.0, 180.0, 180.0, 180.0)


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


@pytest.fixture
def file(tmp_path: Path) -> Path:
    Image.fromarray(painted(60)).save(tmp_path / "1.png")
    return tmp_path / "1.png"


def shown(face, green: int) -> bool:
    return bool((face.image[10:20, 10:20] == (0, green, 0)).all())


def test_the_largest_of_several_faces_is_meant_and_their_number_known() -> None:
    face = cut(painted(30, 80, 50), find_squares, HOW, Seconds())
    assert shown(face, 201)
    assert face.faces == 3
    assert face.score == pytest.approx(0.9)
    assert face.box.tolist() == [50, 10, 80, 80]
    np.testing.assert_allclose(face.landmarks, pixels(TEMPLATE, 32), atol=0.01)


def test_or_the_one_nearest_to_the_middle() -> None:
    assert shown(cut(painted(80, 30, 50), find_squares, HOW._replace(choose="central"), Seconds()), 202)


def test_or_the_one_in_the_box_that_the_source_knows() -> None:
    known = Photograph("m/1", None, "train", "1.png", box=(48.0, 12.0, 32.0, 28.0))
    assert shown(cut(painted(30, 30, 80), find_squares, HOW, Seconds(), known), 201)
    with pytest.raises(Unusable) as turned_down:
        cut(painted(30, 30, 80), find_squares, HOW, Seconds(), known._replace(box=(200.0, 90.0, 20.0, 20.0)))
    assert turned_down.value.reason == "no_face_in_box"


def test_known_landmarks_need_no_detector() -> None:
    def never(_: np.ndarray) -> list[Detection]:
        raise AssertionError("the detector was asked")

    landmarks = ((50, 10) + TEMPLATE * 80 - 0.5).ravel().tolist()
    known = Photograph("m/1", None, "train", "1.png", landmarks=tuple(landmarks))
    face = cut(painted(30, 80), never, HOW, Seconds(), known)
    assert shown(face, 201)
    assert (face.faces, face.score, face.box) == (None, None, None)


@pytest.mark.parametrize(
    "landmarks", [(5.0,) * 10, tuple(TEMPLATE.ravel() * 50 + 400), tuple(TEMPLATE.ravel() * 50 - 90)]
)
def test_landmarks_that_cannot_be_are_turned_down(landmarks: tuple[float, ...]) -> None:
    with pytest.raises(Unusable) as turned_down:
        cut(painted(60), find_squares, HOW, Seconds(), Photograph("m/1", None, "train", "1.png", landmarks=landmarks))
    assert turned_down.value.reason == "bad_landmarks"


def test_a_margin_shows_more_around_the_same_face() -> None:
    near, far = (cut(painted(60), find_squares, HOW._replace(margin=m), Seconds()) for m in (0.0, 0.5))
    eyes = [np.hypot(*(face.landmarks[1] - face.landmarks[0])) for face in (near, far)]
    assert eyes[0] / eyes[1] == pytest.approx(1.5, abs=0.01)
    np.testing.assert_allclose(far.landmarks, pixels(framed(TEMPLATE, 0.5), 32), atol=0.01)


def test_a_photograph_is_cut_alike_for_training_and_in_use(file: Path) -> None:
    candidate = Photograph("photos/a/1.png", "photos/a", "train", str(file))
    trained = measure(take(candidate, find_squares, HOW, None, Seconds()), 0.0, OPEN)
    used = subject_face(file, find_squares, HOW)
    assert used.image.tobytes() == trained.image.tobytes()
    assert trained.content == hashlib.sha256(file.read_bytes()).digest()


def test_content_that_is_not_what_the_source_says_is_turned_down(file: Path) -> None:
    right = hashlib.sha256(file.read_bytes()).hexdigest()
    candidate = Photograph("m/1", None, "train", str(file), sha256=right)
    take(candidate, find_squares, HOW, None, Seconds())
    with pytest.raises(Unusable) as turned_down:
        take(candidate._replace(sha256="0" * 64), find_squares, HOW, None, Seconds())
    assert turned_down.value.reason == "changed"


@pytest.mark.parametrize(
    ("bounds", "reason"),
    [
        ({"min_face_pixels": 61}, "small_face"),
        ({"min_sharpness": 1e6}, "blurred"),
        ({"min_exposure": 0.9}, "dark"),
        ({"max_exposure": 0.1}, "bright"),
        ({"max_yaw": 1e-6}, "large_yaw"),
        ({"max_pitch": 1e-6}, "large_pitch"),
        ({"max_roll": 1e-6}, "large_roll"),
    ],
)
def test_each_bound_turns_down_by_its_own_reason(bounds: dict[str, float], reason: str, file: Path) -> None:
    def tilted(image: np.ndarray) -> list[Detection]:
        (face,) = find_squares(image)
        return [
            face._replace(landmarks=face.landmarks + np.array([(0, 0), (0, 4), (2, 1), (0, 0), (0, 0)], np.float32))
        ]

    taken = take(Photograph("photos/a/1.png", "photos/a", "train", str(file)), tilted, HOW, None, Seconds())
    measure(taken, 0.0, OPEN)
    with pytest.raises(Unusable) as turned_down:
        measure(taken, 0.0, OPEN._replace(**bounds))
    assert turned_down.value.reason == reason
    assert "asked for" in turned_down.value.detail


def test_a_photograph_without_a_face_or_without_a_picture_says_so(tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "none.png"), painted())
    (tmp_path / "empty.png").touch()
    for name, reason in (("none.png", "no_face"), ("empty.png", "empty"), ("gone.png", "unreadable")):
        with pytest.raises(Unusable) as turned_down:
            subject_face(tmp_path / name, find_squares, HOW)
        assert turned_down.value.reason == reason
