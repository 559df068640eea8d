"""A photograph file as pixels, whatever camera, scanner or program wrote it."""

import os
import stat
import warnings
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

MAX_PIXELS = 64_000_000  # 192 MB as RGB; a small file can claim any size

# Pillow's other formats are not photographs, and one of them (EPS) hands the file to an interpreter.
FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "JPEG2000", "PNG", "PPM", "TIFF", "WEBP")


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


def decode(path: Path) -> np.ndarray:
    """The picture upright and in colour, uint8 [H, W, 3] RGB; of an animation, its first frame.

    Raises:
        Undecodable: there is no picture to be had.
    """
    _check_file(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Pillow warns of oddities that do not hinder it
        try:
            with Image.open(path, formats=_readable_formats()) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise _too_large(f"{image.width} x {image.height}")
                image.load()
                return _rgb(_upright(image))
        except Undecodable:
            raise
        except Image.DecompressionBombError:
            raise _too_large(f"more than {2 * MAX_PIXELS // 10**6} million") from None
        except UnidentifiedImageError:
            kinds = ", ".join(FORMATS)
            raise Undecodable("not_an_image", f"not an image of a kind that is read here ({kinds})") from None
        except MemoryError:
            raise Undecodable("too_large", "does not fit into memory") from None
        except Exception as error:  # ten decoders over untrusted bytes raise nearly anything
            what = " ".join(str(error).split()) or type(error).__name__
            raise Undecodable("damaged", f"the file is truncated or damaged ({what})") from None


def _readable_formats() -> list[str]:
    """Pillow may have been built without some decoders, and refuses the name of one that it lacks."""
    Image.init()
    return [name for name in FORMATS if name in Image.OPEN]


def _check_file(path: Path) -> None:
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):  # opening a named pipe would wait for ever
            raise Undecodable("not_an_image", "not a regular file")
        with open(path, "rb"):
            pass
    except OSError as error:
        raise Undecodable("unreadable", f"cannot be opened ({error.strerror})") from None
    if status.st_size == 0:
        raise Undecodable("empty", "the file has zero bytes")


def _too_large(pixels: str) -> Undecodable:
    limit = f"at most {MAX_PIXELS // 10**6} million are read"
    return Undecodable("too_large", f"{pixels} pixels are too large, {limit}")


def _upright(image: Image.Image) -> Image.Image:
    """Turned as the camera was held, as far as its EXIF block can be read."""
    try:
        return ImageOps.exif_transpose(image)
    except Exception:  # a broken EXIF block is no reason to lose the picture
        return image


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode == "I" or image.mode == "F" or image.mode.startswith("I;16"):
        return _from_deep_grey(np.asarray(image))
    if image.has_transparency_data:
        # Under full transparency any colour may stand; white is what most portraits are cut out for.
        layer = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layer.size, (255, 255, 255, 255)), layer)
    return np.array(image.convert("RGB"), dtype=np.uint8)


def _from_deep_grey(values: np.ndarray) -> np.ndarray:
    """16-bit, 32-bit and float grey; Pillow's own conversion would clip them at 255."""
    grey = np.nan_to_num(values.astype(np.float64), nan=0.0, posinf=0.0, neginf=0.0)
    top = float(grey.max())
    if np.issubdtype(values.dtype, np.uint16) or 255 < top <= 65535:
        full = 65535.0
    elif np.issubdtype(values.dtype, np.floating) and top <= 1:
        full = 1.0
    else:
        full = max(255.0, top)
    scaled = np.clip(np.rint(grey * (255 / full)), 0, 255).astype(np.uint8)
    return np.repeat(scaled[..., None], 3, axis=2)
