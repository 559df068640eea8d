import io
import os
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.photographs.decoding import MAX_PIXELS, Undecodable, decode

QUARTERS = np.zeros((40, 60, 3), dtype=np.uint8)
QUARTERS[:20, :30], QUARTERS[:20, 30:] = (200, 30, 30), (30, 200, 30)
QUARTERS[20:, :30], QUARTERS[20:, 30:] = (30, 30, 200), (200, 200, 200)


def quarters(image: np.ndarray) -> list[list[int]]:
    height, width = image.shape[:2]
    return [image[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "jpg", "tiff", "webp", "ppm", "jp2"])
def test_every_common_format_gives_the_same_picture(kind: str, tmp_path: Path) -> None:
    path = tmp_path / f"picture.{kind}"
    Image.fromarray(QUARTERS).save(path)
    image = decode(path)
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_allclose(quarters(image), quarters(QUARTERS), atol=6)


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    Image.fromarray(QUARTERS).save(tmp_path / "a.png")
    (tmp_path / "a.png").rename(tmp_path / "portrait")
    np.testing.assert_array_equal(decode(tmp_path / "portrait"), QUARTERS)


# What each EXIF orientation does to the stored picture, undone.
UPRIGHT = {
    1: lambda a: a,
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: a[::-1, ::-1].transpose(1, 0, 2),
    8: lambda a: np.rot90(a),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_the_picture_stands_as_the_camera_was_held(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(QUARTERS).save(tmp_path / "a.png", exif=exif)
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), UPRIGHT[orientation](QUARTERS))


def test_a_broken_exif_block_costs_nothing_but_the_orientation(tmp_path: Path) -> None:
    Image.fromarray(QUARTERS).save(tmp_path / "a.png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), QUARTERS)


def test_grey_becomes_three_equal_channels(tmp_path: Path) -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey).save(tmp_path / "a.png")
    np.testing.assert_array_equal(decode(tmp_path / "a.png"), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str, tmp_path: Path) -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    Image.fromarray(deep).save(tmp_path / f"a.{kind}")
    np.testing.assert_array_equal(decode(tmp_path / f"a.{kind}")[..., 1], np.arange(256).reshape(16, 16))


def test_a_dark_picture_of_sixteen_bits_stays_dark(tmp_path: Path) -> None:
    Image.fromarray(np.full((8, 8), 200, dtype=np.uint16)).save(tmp_path / "a.png")
    assert (decode(tmp_path / "a.png") == 1).all()


def test_a_picture_of_floating_numbers_between_0_and_1_is_scaled(tmp_path: Path) -> None:
    Image.fromarray(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)).save(tmp_path / "a.tiff")
    image = decode(tmp_path / "a.tiff")
    assert (image.min(), image.max()) == (0, 255)


def test_print_colours_become_screen_colours(tmp_path: Path) -> None:
    Image.fromarray(QUARTERS).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(quarters(decode(tmp_path / "a.jpg")), quarters(QUARTERS), atol=12)


def test_what_is_transparent_lies_on_white(tmp_path: Path) -> None:
    alpha = np.full((40, 60), 255, dtype=np.uint8)
    alpha[:20] = 0
    Image.fromarray(np.dstack([QUARTERS, alpha])).save(tmp_path / "a.png")
    image = decode(tmp_path / "a.png")
    assert (image[:20] == 255).all()
    np.testing.assert_array_equal(image[20:], QUARTERS[20:])


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA", "L"])
def test_every_mode_becomes_colour(mode: str, tmp_path: Path) -> None:
    Image.fromarray(QUARTERS).convert(mode).save(tmp_path / "a.png")
    assert decode(tmp_path / "a.png").shape == (40, 60, 3)


def test_a_palette_with_a_transparent_colour_lies_on_white(tmp_path: Path) -> None:
    image = Image.fromarray(QUARTERS).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    image.save(tmp_path / "a.png", transparency=image.getpixel((0, 0)))
    assert decode(tmp_path / "a.png")[5, 5].tolist() == [255, 255, 255]


def test_an_animation_gives_its_first_frame(tmp_path: Path) -> None:
    first, second = Image.new("RGB", (20, 20), (200, 0, 0)), Image.new("RGB", (20, 20), (0, 0, 200))
    first.save(tmp_path / "a.gif", save_all=True, append_images=[second])
    assert decode(tmp_path / "a.gif")[10, 10].tolist() == [200, 0, 0]


def refused(path: Path) -> str:
    with pytest.raises(Undecodable) as refusal:
        decode(path)
    assert refusal.value.detail
    assert "\n" not in refusal.value.detail
    return refusal.value.reason


def test_a_file_of_zero_bytes_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert refused(tmp_path / "a.jpg") == "empty"


@pytest.mark.parametrize("kind", ["png", "jpg", "bmp", "tiff", "webp"])
def test_a_truncated_file_is_named_so(kind: str, tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    path = tmp_path / f"a.{kind}"
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert refused(path) in ("damaged", "not_an_image")
    if kind in ("png", "jpg"):
        assert refused(path) == "damaged"


@pytest.mark.parametrize("content", [b"hello", b"%PDF-1.7\n", b"%!PS-Adobe-3.0 EPSF-3.0\n", b"\0" * 4096])
def test_what_is_no_picture_is_named_so(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.jpg").write_bytes(content)
    assert refused(tmp_path / "a.jpg") == "not_an_image"


def test_a_small_file_that_claims_a_huge_picture_is_refused_before_it_is_decoded(tmp_path: Path) -> None:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    for side in (9_000, 60_000):  # above our limit, and above Pillow's own
        head = chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
        (tmp_path / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
        assert refused(tmp_path / "bomb.png") == "too_large"


def test_the_limit_leaves_room_for_large_cameras() -> None:
    assert MAX_PIXELS >= 8000 * 6000


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    assert refused(tmp_path / "pipe.jpg") == "not_an_image"
    assert refused(tmp_path) == "not_an_image"
    assert refused(tmp_path / "nothing.jpg") == "unreadable"


def outcome(path: Path) -> str:
    try:
        image = decode(path)
    except Undecodable as refusal:
        return refusal.reason
    return "a picture" if image.dtype == np.uint8 and image.shape[2:] == (3,) else "a ruin"


@pytest.mark.parametrize("kind", ["png", "jpeg", "gif", "tiff", "webp", "bmp", "ppm", "jpeg2000"])
def test_damaged_bytes_give_a_picture_or_a_reason_and_nothing_else(kind: str, tmp_path: Path) -> None:
    buffer = io.BytesIO()
    Image.fromarray(QUARTERS).save(buffer, kind)
    rng = np.random.default_rng(0)
    outcomes = set()
    for _ in range(60):
        content = bytearray(buffer.getvalue())
        for place in rng.integers(0, len(content), 8):
            content[place] = rng.integers(256)
        (tmp_path / "a").write_bytes(content)
        outcomes.add(outcome(tmp_path / "a"))
    assert outcomes <= {"a picture", "damaged", "not_an_image", "too_large"}
