"""A photograph file as bytes, and bytes as pixels, whatever camera, scanner or program wrote them."""

import io
import os
import re
import stat
import warnings
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import numpy as np
from PIL import ExifTags, Image, UnidentifiedImageError

MAX_BYTES = 256 * 2**20
MAX_PIXELS = 128_000_000  # 384 MB as RGB, for telephones have 108 million; a small file can claim any size

# Pillow's other formats are not photographs, and one of them (EPS) hands the file to an interpreter.
FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "PPM", "JPEG2000", "AVIF", "HEIF")
SIGNATURES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n\x1a\n|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|....ftyp(hei|mif1|avi[fs])", re.DOTALL
)
HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs", b"mif1", b"msf1"})

# A JPEG has about ten scans; a hundred bytes hold one that is worked through for every pixel and changes none.
MAX_SCANNED_PIXELS = 5_000_000_000
BAND_PIXELS = 2**20

TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


class Undecodable(Exception):
    """A file that gives no picture.

    Attributes:
        reason: "empty", "not_an_image", "damaged", "too_large" or "unreadable".
        detail: the same as a clause that follows the file's name.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


def read(file: str | Path, offset: int = 0, size: int | None = None) -> bytes:
    """The bytes of a photograph: a whole file, or a part of a larger one.

    Args:
        file: as the operating system names it (surrogates for bytes that are no UTF-8).
        offset: where the photograph begins in the file.
        size: bytes; None: to the end.

    Raises:
        Undecodable: there is nothing to be read, or too much.
    """
    if offset < 0 or (size is not None and size < 0):
        raise ValueError(f"offset and size should be at least 0 (got {offset} and {size})")
    try:
        _check_regular(os.stat(file))  # before it is opened: that alone can set a device in motion
        with open(file, "rb", buffering=0, opener=_without_waiting) as stream:
            status = os.fstat(stream.fileno())
            _check_regular(status)  # another may stand there by now
            length = _length(status.st_size, offset, size)
            stream.seek(offset)
            return _exactly(stream, length, offset)
    except OSError as error:
        raise Undecodable("unreadable", f"cannot be opened ({error.strerror or error})") from None
    except ValueError:  # a zero byte, or a surrogate that stands for no byte
        raise Undecodable("unreadable", "cannot be opened (no file can have this name)") from None


def decode(data: bytes) -> np.ndarray:
    """The picture upright and in colour, uint8 [H, W, 3] RGB; of an animation, its first frame.

    Raises:
        Undecodable: there is no picture to be had.
    """
    if not data:
        raise _empty()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities that do not hinder it
        try:
            with Image.open(io.BytesIO(data), formats=_formats(data)) as image:
                _check_pixels(image, data)
                image.load()
                _check_pixels(image, data)  # some decoders learn the true size on the way
                return _rgb(_upright(image))
        except Undecodable:
            raise
        except Image.DecompressionBombError:
            raise _too_large(f"more than {MAX_PIXELS // 10**6} million") from None
        except UnidentifiedImageError:
            raise _unidentified(data) from None
        except MemoryError:
            raise Undecodable("too_large", "does not fit into memory") from None
        except Exception as error:  # ten decoders over untrusted bytes raise nearly anything
            raise _damaged(str(error) or type(error).__name__) from None


def _check_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise Undecodable("not_an_image", "not a regular file")


def _without_waiting(file: str, flags: int) -> int:
    """Opened, even if it has just become a named pipe into which nobody writes."""
    return os.open(file, flags | os.O_NONBLOCK)


def _length(file_size: int, offset: int, size: int | None) -> int:
    end = max(offset, file_size) if size is None else offset + size
    if end > file_size:
        raise _ends_early(file_size, end)
    if end == offset:
        raise _empty()
    if end - offset > MAX_BYTES:
        raise Undecodable("too_large", f"{end - offset} bytes are too large, at most {MAX_BYTES} are read")
    return end - offset


def _exactly(stream: io.FileIO, length: int, offset: int) -> bytes:
    data = stream.read(length)
    if len(data) == length:
        return data
    pieces = [data]  # the system hands over no more than it likes at a time
    while missing := length - sum(map(len, pieces)):
        if not (piece := stream.read(missing)):
            raise _ends_early(offset + length - missing, offset + length)
        pieces.append(piece)
    return b"".join(pieces)


def _ends_early(file_size: int, end: int) -> Undecodable:
    return Undecodable("damaged", f"the file ends before the photograph does (at byte {file_size} of {end})")


def _empty() -> Undecodable:
    return Undecodable("empty", "the file has zero bytes")


def _formats(data: bytes) -> tuple[str, ...]:
    """What to try on these bytes.

    AVIF and HEIC share a container. Its first name may be one that they share as well; then the others decide, because
    neither decoder gives way to the other.
    """
    if data[4:8] != b"ftyp":
        return _readable_formats()
    box = data[8 : min(int.from_bytes(data[:4], "big"), 4096)]
    brands = {box[start : start + 4] for start in range(0, len(box), 4)}
    if box[:4] not in HEIF_BRANDS or brands & {b"avif", b"avis"}:
        return _readable_formats()
    if not _heif():
        raise Undecodable("not_an_image", "a HEIC photograph, which needs `pip install pi-heif`")
    return ("HEIF",)


@cache
def _readable_formats() -> tuple[str, ...]:
    """Pillow may have been built without some decoders, and refuses the name of one that it lacks."""
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN and name != "HEIF")


@cache
def _heif() -> bool:
    """Teach Pillow to read HEIC, if the library is here."""
    try:
        import pi_heif

        # One thread: each worker is a process. Without the pictures beside the picture, which nobody looks at here.
        pi_heif.register_heif_opener(thumbnails=False, depth_images=False, aux_images=False, decode_threads=1)
    except ImportError:
        return False
    return True


def _unidentified(data: bytes) -> Undecodable:
    if SIGNATURES.match(data):
        return _damaged("nothing after its first bytes can be made out")
    return Undecodable("not_an_image", f"not an image of a kind that is read here ({', '.join(FORMATS)})")


def _damaged(what: str) -> Undecodable:
    clean = " ".join("".join(letter if letter.isprintable() else " " for letter in what[:200]).split())
    return Undecodable("damaged", f"the file is truncated or damaged ({clean})")


def _check_pixels(image: Image.Image, data: bytes) -> None:
    pixels = image.width * image.height
    if pixels > MAX_PIXELS:
        raise _too_large(f"{image.width} x {image.height}")
    if "progressive" in image.info and pixels * data.count(b"\xff\xda") > MAX_SCANNED_PIXELS:
        raise Undecodable("too_large", "too many passes over its pixels are asked for")


def _too_large(pixels: str) -> Undecodable:
    limit = f"at most {MAX_PIXELS // 10**6} million are read"
    return Undecodable("too_large", f"{pixels} pixels are too large, {limit}")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera was held, as far as its EXIF block can be read."""
    if image.format == "HEIF":  # libheif turns it by the container's own word, which EXIF at best repeats
        return image
    try:
        turn = TURNS.get(image.getexif().get(ExifTags.Base.Orientation, 1))
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return image
    return image if turn is None else image.transpose(turn)


def _rgb(image: Image.Image) -> np.ndarray:
    """Converted band by band: as a whole, a large picture would lie in memory four times over."""
    out = np.empty((image.height, image.width, 3), dtype=np.uint8)
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        full = _white(image)
        for rows, band in _bands(image):
            grey = np.rint(_finite(band) * (255 / full))
            out[rows] = np.clip(grey, 0, 255).astype(np.uint8)[..., None]
        return out
    for rows, band in _bands(image):
        if band.has_transparency_data:
            # Under full transparency any colour may stand; white is what most portraits are cut out for.
            layer = band.convert("RGBA")
            band = Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer)
        out[rows] = np.asarray(band if band.mode == "RGB" else band.convert("RGB"))
    return out


def _bands(image: Image.Image) -> Iterator[tuple[slice, Image.Image]]:
    if image.width * image.height <= BAND_PIXELS:
        yield slice(None), image
        return
    height = max(1, BAND_PIXELS // image.width)
    for top in range(0, image.height, height):
        bottom = min(top + height, image.height)
        yield slice(top, bottom), image.crop((0, top, image.width, bottom))


def _white(image: Image.Image) -> float:
    """The value that is white in 16-bit, 32-bit and float grey; Pillow's own conversion would clip them at 255."""
    top = max(float(_finite(band).max()) for _, band in _bands(image))
    if image.mode.startswith("I;16") or 255 < top <= 65535:
        return 65535.0
    if image.mode == "F" and top <= 1:
        return 1.0
    return max(255.0, top)


def _finite(band: Image.Image) -> np.ndarray:
    return np.nan_to_num(np.asarray(band).astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
