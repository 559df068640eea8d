"""Pictures coded as H.264 in an MP4: the one place that says how."""

from collections.abc import Iterable
from fractions import Fraction
from typing import IO, NamedTuple, Protocol

import av
import numpy as np
from av.video.reformatter import Colorspace

BT709, BT601, BT2020 = 1, 6, 9  # as a file names them
MATRICES = {BT709: Colorspace.ITU709, BT601: Colorspace.ITU601, BT2020: Colorspace.BT2020}
CODEC = {"crf": "17", "preset": "veryfast"}


class Look(Protocol):
    """How pictures are to be shown. A film that is read says it of itself, in part with its first picture."""

    @property
    def rate(self) -> Fraction: ...  # pictures a second
    @property
    def shape(self) -> Fraction: ...  # how much wider than high a pixel is
    @property
    def matrix(self) -> int: ...  # of MATRICES
    @property
    def tags(self) -> tuple[int, int]: ...  # primaries and transfer, as a file names them; 2 is: not said


class Plain(NamedTuple):
    """Square pixels, at so many a second."""

    rate: Fraction
    shape: Fraction = Fraction(1)
    matrix: int = BT601
    tags: tuple[int, int] = (2, 2)


def encode(place: str | IO[bytes], pictures: Iterable[np.ndarray], look: Look, comment: str | None = None) -> None:
    """Write an MP4, without B-frames, so that its packets lie in the order of its pictures.

    Args:
        place: a file's name, or a stream that can seek.
        pictures: uint8 [H, W, 3] RGB each, all of one size.
        look: asked when the first picture is there.
        comment: for the file's metadata.
    """
    with av.open(place, "w", format="mp4") as container:
        if comment:
            container.metadata["comment"] = comment
        stream: av.VideoStream | None = None
        for number, picture in enumerate(pictures):
            image = even(picture)
            if stream is None:
                stream = container.add_stream("libx264", rate=look.rate, options=CODEC)
                _describe(stream.codec_context, image, look)
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            frame = frame.reformat(format="yuv420p", dst_colorspace=MATRICES[look.matrix], dst_color_range=1)
            frame.pts, frame.time_base = number, 1 / look.rate
            container.mux(stream.encode(frame))
        if stream is not None:
            container.mux(stream.encode(None))


def even(image: np.ndarray) -> np.ndarray:
    """With even sides, as H.264's usual form wants them: the last row or column is there twice."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return image


def _describe(context: "av.VideoCodecContext", image: np.ndarray, look: Look) -> None:
    context.height, context.width = image.shape[:2]
    context.pix_fmt = "yuv420p"  # what every player knows
    context.max_b_frames = 0
    context.time_base = 1 / look.rate
    context.sample_aspect_ratio = look.shape
    context.colorspace, context.color_range = look.matrix, 1
    context.color_primaries, context.color_trc = look.tags
