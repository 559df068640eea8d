"""Photographs as people have them: a crowd, a telephone held upright, grey, cut out, too large, or without a face."""

import io
import struct
import tracemalloc
import zlib
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.applications import portraits
from pipeline.applications.portraits import STDIN, Portraits
from pipeline.datasets.faces import Cut
from pipeline.errors import UserError

pytestmark = [pytest.mark.shared, pytest.mark.slow]
CUT = Cut(64, 0.0, "largest")


@pytest.fixture
def faces(shared, monkeypatch):
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    return Portraits(CUT)


@pytest.fixture
def files(shared):
    return sorted((shared / "faces" / "london").glob("*/neutral.jpg"))


def opened(file):
    return cv2.imread(str(file))


def alike(a, b):
    """Mean difference in grey levels of two crops."""
    return np.abs(a.face.image.astype(int) - b.face.image).mean()


def test_of_twenty_faces_the_largest_is_meant_and_the_others_are_said(faces, files, tmp_path, caplog):
    side = 160
    small = [cv2.resize(opened(file), (side, side), interpolation=cv2.INTER_AREA) for file in files[:19]]
    rows = [np.hstack([*small[5 * i : 5 * i + 5], *[np.full_like(small[0], 128)] * (5 * i + 5 - 19)]) for i in range(4)]
    crowd = np.vstack(rows)
    large = cv2.resize(opened(files[19]), (crowd.shape[1] // 2,) * 2, interpolation=cv2.INTER_AREA)
    beside = np.full((crowd.shape[0], large.shape[1], 3), 128, np.uint8)
    beside[: len(large)] = large
    cv2.imwrite(str(tmp_path / "crowd.png"), np.hstack([crowd, beside]))
    found = faces.of(tmp_path / "crowd.png")
    assert found.face.faces >= 18
    assert f"{found.face.faces} faces were found, the largest one is used" in caplog.text
    assert alike(found, faces.of(files[19])) < 8


def test_a_telephone_that_was_held_upright(faces, files, tmp_path):
    with Image.open(files[0]) as image:
        exif = Image.Exif()
        exif[274] = 6  # to be turned right by 90 degrees
        image.transpose(Image.Transpose.ROTATE_90).save(tmp_path / "turned.jpg", exif=exif, quality=95)
    assert alike(faces.of(tmp_path / "turned.jpg"), faces.of(files[0])) < 4


@pytest.mark.parametrize("mode", ["L", "LA", "RGBA", "CMYK"])
def test_grey_and_transparent_photographs_give_the_same_face(faces, files, tmp_path, mode):
    name = tmp_path / ("1.jpg" if mode == "CMYK" else "1.png")
    with Image.open(files[0]) as image:
        image.convert(mode).save(name)
        grey = image.convert("L").convert("RGB")
        grey.save(tmp_path / "grey.png")
    wanted = tmp_path / "grey.png" if mode.startswith("L") else files[0]
    assert alike(faces.of(name), faces.of(wanted)) < 4


@pytest.mark.slow
def test_a_hundred_megapixels_give_the_face_that_four_give(faces, files, tmp_path):
    image = cv2.imread(str(files[0]))
    for megapixels in (4, 100):
        scale = (megapixels * 1e6 / image[..., 0].size) ** 0.5
        cv2.imwrite(str(tmp_path / f"{megapixels}.jpg"), cv2.resize(image, None, fx=scale, fy=scale))
    assert alike(faces.of(tmp_path / "100.jpg"), faces.of(tmp_path / "4.jpg")) < 2


def test_more_are_refused_before_they_are_unpacked(faces, tmp_path):
    """A file of some kilobytes that says it is 12,000 pixels high and wide."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 12_000, 12_000, 8, 2, 0, 0, 0)
    content = (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    )
    (tmp_path / "huge.png").write_bytes(content)
    with pytest.raises(UserError, match=r"huge\.png: .*pixels.*; choose another photograph"):
        faces.of(tmp_path / "huge.png")


def test_a_photograph_without_a_face_is_refused_alone_and_passed_over_in_a_folder(faces, files, tmp_path, caplog):
    cv2.imwrite(str(tmp_path / "wall.png"), np.full((200, 200, 3), 128, np.uint8))
    with pytest.raises(UserError, match=r"wall\.png: no face was found; choose another"):
        faces.of(tmp_path / "wall.png")
    (tmp_path / "ada.jpg").write_bytes(files[0].read_bytes())
    assert [portrait.name for portrait in faces.each([tmp_path])] == [str(tmp_path / "ada.jpg")]
    assert "passed over: " in caplog.text


def test_of_a_folder_of_large_photographs_the_faces_alone_are_kept(faces, files, tmp_path):
    """Twelve of 9 megapixels, 324 MB together; Pillow's own memory is not counted, numpy's is."""
    wall = np.full((3000, 3000, 3), 128, np.uint8)
    wall[1000:1800, 1000:1800] = cv2.resize(opened(files[0]), (800, 800))
    cv2.imwrite(str(tmp_path / "0.jpg"), wall)
    for number in range(1, 12):
        (tmp_path / f"{number}.jpg").hardlink_to(tmp_path / "0.jpg")
    tracemalloc.start()
    try:
        found = list(faces.each([tmp_path]))
        kept, most = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert len(found) == 12
    assert kept < 2 * 2**20
    assert most < 3 * wall.nbytes


def test_one_photograph_comes_from_standard_input(faces, files, monkeypatch):
    monkeypatch.setattr(portraits.sys, "stdin", SimpleNamespace(buffer=io.BytesIO(files[0].read_bytes())))
    assert alike(faces.of(STDIN), faces.of(files[0])) == 0
