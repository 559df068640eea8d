"""Pictures that follow each other as one file: an animated GIF, or an MP4 by PyAV, which is an extra."""

import io
from collections.abc import Callable
from fractions import Fraction
from importlib.util import find_spec

import numpy as np
from PIL import Image

from pipeline.applications import marks
from pipeline.errors import UserError

PER_SECOND = 12


def gif(frames: np.ndarray, fingerprint: str) -> bytes:
    """Frames, uint8 [N, H, W, 3] RGB, as an animation without end whose comment says what it is."""
    first, *others = (Image.fromarray(frame) for frame in frames)
    stream = io.BytesIO()
    how = {"duration": round(1000 / PER_SECOND), "loop": 0, "comment": marks.sentence(fingerprint).encode()}
    first.save(stream, "GIF", save_all=True, append_images=others, **how)
    return stream.getvalue()


def mp4(frames: np.ndarray, fingerprint: str) -> bytes:
    """Frames, uint8 [N, H, W, 3] RGB, as H.264 whose comment says what it is.

    Raises:
        UserError: PyAV is not installed.
    """
    if find_spec("av") is None:
        raise UserError("an .mp4 takes PyAV: `pip install av`, or let --out end in .gif, in .png or name a folder")
    from pipeline.applications.h264 import Plain, encode

    stream = io.BytesIO()
    encode(stream, frames, Plain(Fraction(PER_SECOND)), marks.sentence(fingerprint))
    return stream.getvalue()


FILMS: dict[str, Callable[[np.ndarray, str], bytes]] = {".gif": gif, ".mp4": mp4}
