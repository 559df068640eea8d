"""Films as pictures, one after the other, through PyAV."""

import logging
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np
from av.stream import Disposition
from av.video.reformatter import Interpolation

from pipeline.applications.h264 import BT601, BT709, MATRICES
from pipeline.errors import UserError

log = logging.getLogger(__name__)

# Containers of one file; playlists, which name other files and addresses, are not among them.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,nut,mxf,ivf,h264,hevc,m4v,mpegvideo,gif"
)
OPEN: dict[str, Any] = {"options": {"format_whitelist": FORMATS, "protocol_whitelist": "file"}}
MAX_PIXELS = 40_000_000  # a picture; a small file can claim any size
HIGH = 720  # lines from which on a film that does not say how it codes colours means BT.709
# Else a picture that is only passed through becomes darker by one or two levels. Bicubic colours would take twice the
# time: 4.7 ms a picture of 640 x 360 instead of 2.6, and come back by 0.02 levels like these.
EXACT = Interpolation.BILINEAR | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


class Picture(NamedTuple):
    """One picture of a film."""

    time: int  # in the film's time base
    image: np.ndarray  # uint8 [H, W, 3] RGB, upright


class Film:
    """A film that is read from its beginning to its end.

    Attributes:
        time_base: seconds of a unit of time.
        rate: pictures a second, on average, as the file says.
        pictures: how many, as the file says; None where it does not.
        shape: how much wider than high a pixel is.
        start: seconds; all times may lie this much later than zero.
    """

    def __init__(self, file: Path, container: "av.container.InputContainer") -> None:
        self.file, self._container = file, container
        streams = [s for s in container.streams.video if not s.disposition & Disposition.attached_pic]
        if not streams:
            raise UserError(f"{file}: holds no moving pictures; choose a film")
        self._stream = stream = streams[0]
        stream.thread_type = "AUTO"
        context = stream.codec_context
        if not 0 < context.width * context.height <= MAX_PIXELS:
            raise UserError(f"{file}: pictures of {context.width} x {context.height} pixels; at most {MAX_PIXELS} do")
        self.time_base = Fraction(stream.time_base or Fraction(1, 90000))
        rate = stream.average_rate or stream.guessed_rate or 0
        self.rate = Fraction(rate) if 0 < rate <= 1000 else Fraction(25)
        self.pictures = stream.frames or _counted(stream.duration or 0, self.time_base, self.rate)
        self.start = max(Fraction(container.start_time or 0, av.time_base), Fraction(0))
        self.shape = Fraction(context.sample_aspect_ratio or 1)
        said = int(context.colorspace)
        self.matrix = said if said in MATRICES else BT709 if said == 2 and context.height >= HIGH else BT601
        self.tags = (int(context.color_primaries), int(context.color_trc))
        for audio in container.streams.audio:
            _check_sound(file, audio.codec_context.name)

    def read(self, skip: int = 0) -> Generator[Picture, None, None]:
        """All pictures but the first `skip`, one at a time; what cannot be decoded is left out, and said."""
        last, bad, number = None, 0, 0
        step = max(1, round(1 / (self.rate * self.time_base)))
        packets = self._container.demux(self._stream)
        while True:
            try:
                packet = next(packets, None)
                frames = packet.decode() if packet is not None else None
            except av.FFmpegError:  # of the file's end, or of one packet
                bad += 1
                continue
            if frames is None:
                break
            for frame in frames:
                time = frame.pts if frame.pts is not None else (0 if last is None else last + step)
                last = time = time if last is None else max(time, last + 1)
                if number >= skip:
                    yield Picture(time, self._upright(frame))
                number += 1
        if bad:
            log.warning("note: %s: damaged in %d places; what could be decoded there is used", self.file, bad)
        if number < 0.98 * self._stream.frames - 2:  # some containers count a picture or two too many
            log.warning("note: %s: ends after %d of %d pictures", self.file, number, self._stream.frames)

    def _upright(self, frame: "av.VideoFrame") -> np.ndarray:
        context = self._stream.codec_context
        source, full = MATRICES[self.matrix], frame.color_range
        rgb = frame.reformat(
            context.width,
            context.height,
            "rgb24",
            src_colorspace=source,
            src_color_range=full,
            interpolation=EXACT,
        )
        image = rgb.to_ndarray()
        turns = round(frame.rotation / 90) % 4
        shape = Fraction(context.sample_aspect_ratio or 1)
        self.shape = 1 / shape if turns % 2 else shape
        return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


@contextmanager
def opened(file: Path) -> Iterator[Film]:
    """A film to be read.

    Raises:
        UserError: it is no film that can be read.
    """
    try:
        container = av.open(str(file), **OPEN)
    except (av.FFmpegError, OSError) as error:
        raise UserError(f"{file}: {_why(error)}; choose a film, such as an MP4") from None
    with container:
        yield Film(file, container)


def _check_sound(file: Path, codec: str) -> None:
    with av.open("/dev/null", "w", format="mp4") as container:
        if codec not in container.supported_codecs:
            raise UserError(
                f"{file}: an MP4 cannot hold its sound as it is ({codec}): convert that first, with "
                f"`ffmpeg -i {file.name} -c:v copy -c:a aac converted.mkv` for example"
            )


def _counted(duration: int, time_base: Fraction, rate: Fraction) -> int | None:
    return round(duration * time_base * rate) or None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, (IsADirectoryError, PermissionError)):
        return f"cannot be read ({error.strerror})"
    return "is no film, is damaged, or is a playlist of other files"
