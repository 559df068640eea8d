import base64
import io
import os
import struct
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFile, features

from pipeline.datasets.photographs.decoding import MAX_BYTES, MAX_PIXELS, Undecodable, decode, read
from tests.conftest import ROOT, unavailable

QUARTERS = np.zeros((40, 60, 3), dtype=np.uint8)
QUARTERS[:20, :30], QUARTERS[:20, 30:] = (200, 30, 30), (30, 200, 30)
QUARTERS[20:, :30], QUARTERS[20:, 30:] = (30, 30, 200), (200, 200, 200)

# QUARTERS, drawn out to 64 x 64, as x265 wrote them through pillow-heif: the decoder's settings and the pixels.
HEVC_SETTINGS = base64.b64decode(
    "AQQIAAAAnjgAAAAAHvAA/P/4+AAADwNgAAEAF0ABDAH//wQIAAADAJ44AAADAAAeugJAYQABACpCAQEECAAAAwCeOAAAAwAAHpAEECCy3VyU1zcBDQYE"
    "AAADAGQAAAMABCBiAAEACEQBwXMYMAiQ"
)
HEVC_PIXELS = base64.b64decode(
    "AAAAcCgBrxOA5VH/+jmr8kQDp3sLwcUacnY884a8+dvm2mVwugRef0Y8YFb0o3fpua84Fzu8Kl+5REahj90TN7B2dZqx4ueRIttPYXONhtH+pMYqyp0M"
    "SCEg6mLjMi8+8yEZhhUwaghIBOnv8MUB25aJEcA="
)


def box(kind: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), kind) + b"".join(content)


def heic(
    brands: bytes = b"heicmif1", stored: tuple[int, int] = (64, 64), turns: tuple[bytes, ...] = (), exif: bytes = b""
) -> bytes:
    """QUARTERS as telephones write them.

    Args:
        brands: what the file says that it is: the first name, then the others.
        stored: width and height that the container claims.
        turns: boxes by which the container says how the picture stands.
        exif: a TIFF block in which a camera repeats it.
    """
    middle = struct.pack(">8i", 60, 1, 40, 1, -4, 2, -24, 2)  # cut out of 64 x 64 at the upper left
    colours = b"nclx" + struct.pack(">3HB", 1, 13, 6, 0x80)
    size = box(b"ispe", struct.pack(">III", 0, *stored))
    properties = [box(b"hvcC", HEVC_SETTINGS), box(b"colr", colours), size, box(b"clap", middle), *turns]
    used = bytes([0x80 | place for place in range(1, len(properties) + 1)])
    items = [(b"hvc1", HEVC_PIXELS)] + ([(b"Exif", b"\0\0\0\0" + exif)] if exif else [])
    entries = [
        box(b"infe", b"\2\0\0\0", struct.pack(">HH4sB", number, 0, kind, 0))
        for number, (kind, _) in enumerate(items, 1)
    ]

    def head(start: int) -> bytes:
        places = b""
        for number, (_, content) in enumerate(items, 1):
            places += struct.pack(">HHHII", number, 0, 1, start, len(content))
            start += len(content)
        describes = box(b"iref", bytes(4), box(b"cdsc", struct.pack(">HHH", 2, 1, 1))) if exif else b""
        return box(b"ftyp", brands[:4], bytes(4), brands) + box(
            b"meta",
            bytes(4),
            box(b"hdlr", bytes(8), b"pict", bytes(13)),
            box(b"pitm", bytes(4), struct.pack(">H", 1)),
            box(b"iloc", bytes(4), b"\x44\0", struct.pack(">H", len(items)), places),
            box(b"iinf", bytes(4), struct.pack(">H", len(items)), *entries),
            describes,
            box(
                b"iprp",
                box(b"ipco", *properties),
                box(b"ipma", bytes(4), struct.pack(">IHB", 1, 1, len(used)), used),
            ),
        )

    return head(len(head(0)) + 8) + box(b"mdat", *[content for _, content in items])


def encoded(image: np.ndarray | Image.Image, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    (Image.fromarray(image) if isinstance(image, np.ndarray) else image).save(buffer, kind, **options)
    return buffer.getvalue()


def exif_block(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    return exif.tobytes()


def quarters(image: np.ndarray) -> list[list[int]]:
    height, width = image.shape[:2]
    return [image[y, x].tolist() for y in (height // 4, 3 * height // 4) for x in (width // 4, 3 * width // 4)]


def refusal(data: bytes) -> Undecodable:
    with pytest.raises(Undecodable) as caught:
        decode(data)
    assert caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value


def refused(data: bytes) -> str:
    return refusal(data).reason


@pytest.fixture
def heif() -> None:
    try:
        import pi_heif  # noqa: F401
    except ImportError:
        unavailable("heif", "pi-heif is not installed")


@pytest.mark.parametrize("kind", ["png", "bmp", "gif", "jpeg", "tiff", "webp", "ppm", "jpeg2000", "avif"])
def test_every_common_format_gives_the_same_picture(kind: str) -> None:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    image = decode(encoded(QUARTERS, kind))
    assert image.dtype == np.uint8
    assert image.flags.c_contiguous
    assert image.flags.writeable
    np.testing.assert_allclose(quarters(image), quarters(QUARTERS), atol=6)


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
@pytest.mark.parametrize("kind", ["png", "tiff", "webp", "jpeg", "avif"])
def test_the_picture_stands_as_the_camera_was_held(kind: str, orientation: int) -> None:
    if kind == "avif" and not features.check("avif"):
        pytest.skip("Pillow was built without AVIF")
    image = decode(encoded(QUARTERS, kind, exif=exif_block(orientation)))
    upright = UPRIGHT[orientation](QUARTERS)
    assert image.shape == upright.shape
    np.testing.assert_allclose(quarters(image), quarters(upright), atol=16)


def test_a_broken_exif_block_costs_nothing_but_the_orientation() -> None:
    data = encoded(QUARTERS, "png", exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\xff\xff")
    np.testing.assert_array_equal(decode(data), QUARTERS)


def test_an_orientation_that_does_not_exist_is_no_orientation() -> None:
    np.testing.assert_array_equal(decode(encoded(QUARTERS, "png", exif=exif_block(9))), QUARTERS)


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("brands", [b"heicmif1", b"mif1heic", b"mif1", b"heix"])
def test_a_photograph_of_a_telephone_is_read(brands: bytes) -> None:
    image = decode(heic(brands))
    assert image.shape == QUARTERS.shape
    np.testing.assert_allclose(quarters(image), quarters(QUARTERS), atol=6)


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize(
    ("turns", "orientation"),
    [
        ((), 1),
        ((box(b"imir", b"\1"),), 2),
        ((box(b"irot", b"\2"),), 3),
        ((box(b"imir", b"\0"),), 4),
        ((box(b"irot", b"\3"),), 6),
        ((box(b"irot", b"\1"),), 8),
        ((box(b"irot", b"\3"), box(b"imir", b"\1")), 5),
        ((box(b"irot", b"\1"), box(b"imir", b"\1")), 7),
    ],
)
@pytest.mark.parametrize("camera", ["repeats it", "is silent"])
def test_a_photograph_of_a_telephone_is_turned_once(turns: tuple[bytes, ...], orientation: int, camera: str) -> None:
    exif = exif_block(orientation) if camera == "repeats it" else b""
    image = decode(heic(turns=turns, exif=exif))
    upright = UPRIGHT[orientation](QUARTERS)
    assert image.shape == upright.shape
    np.testing.assert_allclose(quarters(image), quarters(upright), atol=6)


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("length", [20, 100, -100])
def test_a_truncated_photograph_of_a_telephone_is_named_so(length: int) -> None:
    assert refused(heic()[:length]) == "damaged"


@pytest.mark.usefixtures("heif")
def test_in_a_photograph_of_a_telephone_the_container_has_the_last_word() -> None:
    np.testing.assert_allclose(quarters(decode(heic(exif=exif_block(6)))), quarters(QUARTERS), atol=6)


@pytest.mark.usefixtures("heif")
@pytest.mark.parametrize("stored", [(12_000, 12_000), (60_000, 60_000), (2**32 - 1, 2**32 - 1)])
def test_a_photograph_of_a_telephone_that_claims_a_huge_picture_is_refused(stored: tuple[int, int]) -> None:
    assert refused(heic(stored=stored).replace(b"clap", b"free")) in ("too_large", "damaged", "not_an_image")
    if stored == (12_000, 12_000):
        assert refused(heic(stored=stored).replace(b"clap", b"free")) == "too_large"


def test_without_its_library_a_photograph_of_a_telephone_is_refused_with_the_way_out() -> None:
    program = (
        "import sys; sys.modules['pi_heif'] = None\n"
        "from pipeline.datasets.photographs.decoding import Undecodable, decode\n"
        "try:\n    decode(sys.stdin.buffer.read())\n"
        "except Undecodable as error:\n    print(error.reason, error.detail)\n"
    )
    for brands in (b"heicmif1", b"mif1heic"):
        done = subprocess.run(
            [sys.executable, "-c", program], input=heic(brands), capture_output=True, check=True, cwd=ROOT
        )
        assert done.stdout.decode().startswith("not_an_image ")
        assert "needs `pip install pi-heif`" in done.stdout.decode()


def test_grey_becomes_three_equal_channels() -> None:
    grey = np.arange(256, dtype=np.uint8).reshape(16, 16)
    np.testing.assert_array_equal(decode(encoded(grey, "png")), np.repeat(grey[..., None], 3, axis=2))


@pytest.mark.parametrize("kind", ["png", "tiff"])
def test_sixteen_bits_are_scaled_not_clipped(kind: str) -> None:
    deep = (np.arange(256, dtype=np.uint16) * 257).reshape(16, 16)
    np.testing.assert_array_equal(decode(encoded(deep, kind))[..., 1], np.arange(256).reshape(16, 16))


def test_a_dark_picture_of_sixteen_bits_stays_dark() -> None:
    assert (decode(encoded(np.full((8, 8), 200, dtype=np.uint16), "png")) == 1).all()


def test_a_picture_of_floating_numbers_between_0_and_1_is_scaled() -> None:
    image = decode(encoded(np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8), "tiff"))
    assert (image.min(), image.max()) == (0, 255)


def test_print_colours_become_screen_colours() -> None:
    data = encoded(Image.fromarray(QUARTERS).convert("CMYK"), "jpeg", quality=95)
    np.testing.assert_allclose(quarters(decode(data)), quarters(QUARTERS), atol=12)


def test_what_is_transparent_lies_on_white() -> None:
    alpha = np.full((40, 60), 255, dtype=np.uint8)
    alpha[:20] = 0
    image = decode(encoded(np.dstack([QUARTERS, alpha]), "png"))
    assert (image[:20] == 255).all()
    np.testing.assert_array_equal(image[20:], QUARTERS[20:])


@pytest.mark.parametrize("mode", ["P", "1", "LA", "RGBA", "L"])
def test_every_mode_becomes_colour(mode: str) -> None:
    assert decode(encoded(Image.fromarray(QUARTERS).convert(mode), "png")).shape == (40, 60, 3)


def test_a_palette_with_a_transparent_colour_lies_on_white() -> None:
    image = Image.fromarray(QUARTERS).convert("P", palette=Image.Palette.ADAPTIVE, colors=4)
    assert decode(encoded(image, "png", transparency=image.getpixel((0, 0))))[5, 5].tolist() == [255, 255, 255]


@pytest.mark.parametrize("mode", ["RGB", "RGBA", "P", "I;16"])
def test_a_large_picture_is_converted_like_a_small_one(mode: str) -> None:
    rng = np.random.default_rng(0)
    small = rng.integers(0, 256, (300, 400, 4), dtype=np.uint8)
    if mode == "I;16":
        image = Image.fromarray(rng.integers(0, 65536, (300, 400), dtype=np.uint16))
    else:
        image = (
            Image.fromarray(small).convert(mode) if mode == "RGBA" else Image.fromarray(small[..., :3]).convert(mode)
        )
    large = image.resize((1600, 1200), Image.Resampling.NEAREST)
    expected = decode(encoded(image, "png")).repeat(4, axis=0).repeat(4, axis=1)
    np.testing.assert_array_equal(decode(encoded(large, "png", compress_level=1)), expected)


@pytest.mark.parametrize("kind", ["gif", "webp", "png"])
def test_an_animation_gives_its_first_frame(kind: str) -> None:
    first, second = Image.new("RGB", (20, 20), (200, 0, 0)), Image.new("RGB", (20, 20), (0, 0, 200))
    image = decode(encoded(first, kind, save_all=True, append_images=[second]))
    np.testing.assert_allclose(image[10, 10], [200, 0, 0], atol=6)


@pytest.mark.parametrize("kind", ["png", "jpeg", "bmp", "tiff", "webp", "gif", "jpeg2000"])
def test_a_truncated_file_is_named_so(kind: str) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    data = encoded(noise, kind)
    assert refused(data[: len(data) // 2]) in ("damaged", "not_an_image")
    if kind not in ("bmp", "jpeg2000"):
        assert refused(data[: len(data) // 2]) == "damaged"
    assert not ImageFile.LOAD_TRUNCATED_IMAGES


MOVIE = box(b"ftyp", b"isom", bytes(4), b"isommp42") + box(b"mdat", bytes(100))


@pytest.mark.parametrize("content", [b"hello", b"hello, world\n" * 1000, b"%PDF-1.7\n", b"\0" * 4096, MOVIE])
def test_what_is_no_picture_is_named_so(content: bytes) -> None:
    assert refused(content) == "not_an_image"


def test_a_file_that_is_a_program_is_not_run(tmp_path: Path) -> None:
    written = tmp_path / "written"
    program = f"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\n({written}) (w) file closefile\n"
    assert refused(program.encode()) == "not_an_image"
    assert not written.exists()


def png_chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(side: int, *chunks: bytes) -> bytes:
    head = png_chunk(b"IHDR", struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunks) + png_chunk(b"IDAT", b"") + png_chunk(b"IEND", b"")


def greedy_tiff() -> bytes:
    """Each of its 60,000 tags claims the whole file as its value."""
    tags = b"".join(struct.pack("<HHLL", tag, 7, 900_000, 0) for tag in range(300, 60_300))
    return (struct.pack("<2sHLH", b"II", 42, 8, 60_000) + tags).ljust(900_000, b"\0")


BOMBS = {
    "above our limit": (png(12_000), "too_large"),
    "above Pillow's limit": (png(50_000), "too_large"),
    "a text that swells": (png(64, png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(2**29)))), "damaged"),
    "tags that repeat the file": (greedy_tiff(), "damaged"),
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_a_small_file_that_swells_is_refused_before_it_does(bomb: str) -> None:
    data, reason = BOMBS[bomb]
    program = (
        "import resource, sys, time\n"
        "from pipeline.datasets.photographs.decoding import Undecodable, decode\n"
        "from PIL import Image; Image.init(); data = sys.stdin.buffer.read()\n"
        "before, start = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.monotonic()\n"
        "try:\n    decode(data)\n"
        "except Undecodable as error:\n    print(error.reason)\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before, time.monotonic() - start)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], input=data, capture_output=True, check=True, cwd=ROOT)
    named, kilobytes, seconds = done.stdout.split()
    assert named.decode() == reason
    assert int(kilobytes) < 100_000
    assert float(seconds) < 3


def test_a_photograph_with_thousands_of_passes_is_refused() -> None:
    data = encoded(np.zeros((3000, 3000), dtype=np.uint8), "jpeg", progressive=True)
    last = data[data.rindex(b"\xff\xc4") : -2]
    assert decode(data).shape == (3000, 3000, 3)
    assert refused(data[:-2] + last * 1000 + data[-2:]) == "too_large"


def test_of_thousands_of_frames_one_is_decoded() -> None:
    frames = [Image.new("P", (16, 16), number % 7) for number in range(3000)]
    assert decode(encoded(frames[0], "gif", save_all=True, append_images=frames[1:])).shape == (16, 16, 3)


def test_the_limit_leaves_room_for_large_cameras() -> None:
    assert MAX_PIXELS >= 12000 * 9000


def test_no_bytes_are_no_picture() -> None:
    assert refused(b"") == "empty"


def unread(file: Path | str, offset: int = 0, size: int | None = None) -> str:
    with pytest.raises(Undecodable) as caught:
        read(file, offset, size)
    assert caught.value.detail
    assert "\n" not in caught.value.detail
    return caught.value.reason


def test_a_file_is_read_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(bytes(range(256)))
    assert read(tmp_path / "a") == read(str(tmp_path / "a")) == bytes(range(256))
    assert read(tmp_path / "a", 250) == bytes(range(250, 256))
    assert read(tmp_path / "a", 10, 5) == bytes(range(10, 15))
    assert read(tmp_path / "a", 250, 6) == bytes(range(250, 256))


def test_the_name_does_not_matter(tmp_path: Path) -> None:
    (tmp_path / "portrait").write_bytes(encoded(QUARTERS, "png"))
    (tmp_path / "wrong.png").write_bytes(encoded(QUARTERS, "jpeg"))
    np.testing.assert_array_equal(decode(read(tmp_path / "portrait")), QUARTERS)
    np.testing.assert_allclose(quarters(decode(read(tmp_path / "wrong.png"))), quarters(QUARTERS), atol=16)


def test_a_name_that_is_no_unicode_is_read(tmp_path: Path) -> None:
    file = os.fsdecode(os.fsencode(tmp_path) + b"/ad\xe8le.jpg")
    Path(file).write_bytes(b"abc")
    assert read(file) == read(Path(file)) == b"abc"


@pytest.mark.parametrize("name", ["a\0b", "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(name: str) -> None:
    assert unread(name) == "unreadable"


def test_a_file_of_zero_bytes_is_named_so(tmp_path: Path) -> None:
    (tmp_path / "a.jpg").touch()
    assert unread(tmp_path / "a.jpg") == "empty"


def test_a_part_beyond_the_end_is_damaged(tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(bytes(100))
    assert unread(tmp_path / "a.tar", 90, 20) == "damaged"
    assert unread(tmp_path / "a.tar", 200, 1) == "damaged"
    assert unread(tmp_path / "a.tar", 200) == "damaged"
    assert unread(tmp_path / "a.tar", 2**70, 2**70) == "damaged"
    assert unread(tmp_path / "a.tar", 100) == "empty"
    assert unread(tmp_path / "a.tar", 50, 0) == "empty"
    with pytest.raises(ValueError, match="at least 0"):
        read(tmp_path / "a.tar", -1)


def test_a_huge_file_is_refused_unread_and_a_part_of_it_is_read(tmp_path: Path) -> None:
    with open(tmp_path / "a.tar", "wb") as stream:
        stream.truncate(MAX_BYTES + 10)  # of holes: it takes no room
    assert unread(tmp_path / "a.tar") == "too_large"
    assert unread(tmp_path / "a.tar", 0, MAX_BYTES + 1) == "too_large"
    assert read(tmp_path / "a.tar", MAX_BYTES, 10) == bytes(10)


def test_what_is_no_file_is_refused_without_waiting(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to(tmp_path / "loop.jpg")
    assert unread(tmp_path / "pipe.jpg") == "not_an_image"
    assert unread(tmp_path) == "not_an_image"
    assert unread("/dev/zero") == "not_an_image"
    assert unread(tmp_path / "nothing.jpg") == "unreadable"
    assert unread(tmp_path / "loop.jpg") == "unreadable"
