from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import yunet
from pipeline.errors import UserError

WEIGHTS = "models/face_detection_yunet_2023mar.onnx"


def test_missing_weights_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"yunet.onnx.*python -m pipeline fetch yunet"):
        yunet(tmp_path / "yunet.onnx", 0.6)


@pytest.mark.parametrize("content", [b"", b"no network", b"\x08\x07" * 500])
def test_damaged_weights_are_named(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "yunet.onnx"
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"yunet.onnx.*python -m pipeline fetch yunet"):
        yunet(path, 0.6)


@pytest.mark.shared
def test_truncated_weights_are_named(shared: Path, tmp_path: Path) -> None:
    content = (shared / WEIGHTS).read_bytes()
    for length in (1000, len(content) // 2, len(content) - 100):
        (tmp_path / "yunet.onnx").write_bytes(content[:length])
        with pytest.raises(UserError, match="fetch yunet"):
            yunet(tmp_path / "yunet.onnx", 0.6)


@pytest.mark.shared
def test_faces_are_found_in_small_and_large_photographs(shared: Path) -> None:
    detect = yunet(shared / WEIGHTS, 0.6)
    photograph = decode(read(shared / "faces/london/001/neutral.jpg"))
    reference = detect(photograph)[0]
    eyes = np.linalg.norm(reference.landmarks[1] - reference.landmarks[0])
    for scale in (0.08, 0.2, 0.5, 1.5, 4):
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
        image = np.asarray(cv2.resize(photograph, None, fx=scale, fy=scale, interpolation=method))
        faces = detect(image)
        assert len(faces) == 1
        back = (faces[0].landmarks + 0.5) / scale - 0.5
        assert np.abs(back - reference.landmarks).max() < 0.2 * eyes
        assert np.abs(faces[0].box / scale - reference.box).max() < 0.5 * eyes


@pytest.mark.shared
def test_landmarks_start_at_the_left_of_the_image(shared: Path) -> None:
    detect = yunet(shared / WEIGHTS, 0.6)
    image = decode(read(shared / "faces/london/001/neutral.jpg"))
    for picture in (image, np.ascontiguousarray(image[:, ::-1])):
        face = detect(picture)[0]
        assert face.landmarks.shape == (5, 2)
        assert face.landmarks.dtype == face.box.dtype == np.float32
        assert face.landmarks[0, 0] < face.landmarks[2, 0] < face.landmarks[1, 0]
        assert face.landmarks[3, 0] < face.landmarks[4, 0]
        assert 0.6 <= face.score <= 1


@pytest.mark.shared
def test_the_largest_face_comes_first(shared: Path) -> None:
    detect = yunet(shared / WEIGHTS, 0.6)
    image = decode(read(shared / "faces/london/001/neutral.jpg"))
    both = np.full((512, 800, 3), 255, dtype=np.uint8)
    both[:256, :256] = cv2.resize(image, (256, 256), interpolation=cv2.INTER_AREA)
    both[:, 288:] = image
    small_first, large_first = detect(both), detect(np.ascontiguousarray(both[:, ::-1]))
    assert len(small_first) == len(large_first) == 2
    assert small_first[0].box[0] > 288 > small_first[1].box[0]
    assert large_first[0].box[0] < 512 < large_first[1].box[0]


@pytest.mark.shared
def test_where_there_is_no_face_none_is_found(shared: Path) -> None:
    detect = yunet(shared / WEIGHTS, 0.6)
    for shape in ((1, 1), (1, 5000), (64, 64), (700, 900)):
        assert detect(np.full((*shape, 3), 128, dtype=np.uint8)) == []


@pytest.mark.shared
def test_the_same_photograph_gives_the_same_faces_whatever_was_seen_before(shared: Path) -> None:
    detect = yunet(shared / WEIGHTS, 0.6)
    a, b = (decode(read(shared / f"faces/london/001/{name}.jpg")) for name in ("neutral", "smiling"))
    first = detect(a)[0]
    detect(np.ascontiguousarray(b[:300, :100]))
    again = detect(a)[0]
    np.testing.assert_array_equal(first.landmarks, again.landmarks)
    assert first.score == again.score
