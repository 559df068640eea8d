"""Films in and out, through PyAV, which this module alone knows.

A film is written in segments, each a file of its own, and joined at the end: what is finished survives whatever
happens to the process. Segments have no B-frames, so the packets of a joined film lie in the order of its pictures
and take their times from a list, whatever these are.
"""

import errno
import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.errors import UserError

try:
    import av
    from av.stream import Disposition
    from av.video.reformatter import Colorspace, Interpolation
except ImportError:
    raise UserError(
        "act reads and writes films with PyAV, which is not installed: `pip install av`, or the extra `video`"
    ) from None

log = logging.getLogger(__name__)

# Containers of one file; playlists, which name other files and addresses, are not among them.
FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,flv,live_flv,asf,ogg,nut,mxf,ivf,h264,hevc,m4v,mpegvideo,gif"
)
OPEN: dict[str, Any] = {"options": {"format_whitelist": FORMATS, "protocol_whitelist": "file"}}
MAX_PIXELS = 40_000_000  # a picture; a small file can claim any size
HIGH = 720  # lines from which on a film that does not say how it codes colours means BT.709
BT709, BT601, BT2020 = 1, 6, 9  # as a file names them
MATRICES = {BT709: Colorspace.ITU709, BT601: Colorspace.ITU601, BT2020: Colorspace.BT2020}
# Else a picture that is only passed through becomes darker by one or two levels.
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT
CODEC = {"crf": "17", "preset": "veryfast"}


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
        self.shape = sample_aspect(context.sample_aspect_ratio)
        said = int(context.colorspace)
        self.matrix = said if said in MATRICES else BT709 if said == 2 and context.height >= HIGH else BT601
        self.tags = (int(context.color_primaries), int(context.color_trc))
        for audio in container.streams.audio:
            _check_sound(file, audio.codec_context.name)

    def read(self, skip: int = 0) -> Iterator[Picture]:
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


def write_segment(file: Path, pictures: Iterable[Picture], film: Film) -> list[int]:
    """Some pictures of a film, as a file of their own, under a temporary name until it is whole.

    Returns:
        Their times; the file does not hold them. Empty, and no file, where there are no pictures.
    """
    part, times = file.with_suffix(".part"), []
    try:
        with _writing(film), av.open(str(part), "w", format="mp4") as container:
            stream: av.VideoStream | None = None
            for number, picture in enumerate(pictures):
                image = even(picture.image)
                if stream is None:
                    stream = container.add_stream("libx264", rate=film.rate, options=CODEC)
                    _describe(stream.codec_context, image, film)
                frame = av.VideoFrame.from_ndarray(image, format="rgb24")
                frame = frame.reformat(format="yuv420p", dst_colorspace=MATRICES[film.matrix], dst_color_range=1)
                frame.pts, frame.time_base = number, 1 / film.rate
                container.mux(stream.encode(frame))
                times.append(picture.time)
            if stream is not None:
                container.mux(stream.encode(None))
        if times:
            part.replace(file)
    finally:
        part.unlink(missing_ok=True)
    return times


def join(out: Path, film: Film, segments: Sequence[tuple[Path, Sequence[int]]], comment: str) -> None:
    """One film of all segments, with the times and the sound of the film that they were made of.

    Args:
        out: an MP4 to be written.
        film: the one that was read; its file is opened again.
        segments: files, and the times of their pictures.
        comment: for the file's metadata.
    """
    # faststart: the index comes first, so that browsers begin before all is there.
    flags = {"movflags": "+faststart", "movie_timescale": "90000"}
    with (
        _writing(film),
        av.open(str(film.file), **OPEN) as sound,
        av.open(str(segments[0][0])) as first,
        av.open(str(out), "w", format="mp4", options=flags) as container,
    ):
        container.metadata["comment"] = comment
        stream = container.add_stream_from_template(first.streams.video[0])
        stream.time_base = film.time_base
        tracks = {audio.index: container.add_stream_from_template(audio) for audio in sound.streams.audio}
        pictures = _timed(segments, stream, film)
        for packet in heapq.merge(pictures, _sound(sound, tracks, film), key=_seconds):
            container.mux_one(packet)


def even(image: np.ndarray) -> np.ndarray:
    """With even sides, as H.264's usual form wants them: the last row or column is there twice."""
    height, width = image.shape[:2]
    if height % 2 or width % 2:
        return np.pad(image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    return image


def sample_aspect(ratio: Fraction | None) -> Fraction:
    """How much wider than high a pixel is; 1 where the file does not say."""
    return Fraction(ratio) if ratio else Fraction(1)


def _describe(context: "av.VideoCodecContext", image: np.ndarray, film: Film) -> None:
    context.height, context.width = image.shape[:2]
    context.pix_fmt = "yuv420p"
    context.max_b_frames = 0
    context.time_base = 1 / film.rate
    context.sample_aspect_ratio = film.shape
    context.colorspace, context.color_range = film.matrix, 1
    context.color_primaries, context.color_trc = film.tags


@contextmanager
def _writing(film: Film) -> Iterator[None]:
    """Errors of FFmpeg as such of the system, where the disk is full or forbidden, or else as a person's."""
    try:
        yield
    except av.FFmpegError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES):
            raise OSError(error.errno, error.strerror, error.filename) from None
        raise UserError(
            f"{film.file}: cannot be written as an MP4 ({error.strerror}): convert it first, with "
            f"`ffmpeg -i {film.file.name} -c:v libx264 -c:a aac converted.mp4` for example"
        ) from None


def _timed(
    segments: Sequence[tuple[Path, Sequence[int]]], stream: "av.VideoStream", film: Film
) -> Iterator["av.Packet"]:
    """The packets of the pictures, one after the other, each at its picture's time."""
    offset = round(film.start / film.time_base)
    usual = max(1, round(1 / (film.rate * film.time_base)))
    for number, (file, times) in enumerate(segments):
        following = segments[number + 1][1][0] if number + 1 < len(segments) else times[-1] + usual
        ends = [*times[1:], following]
        with av.open(str(file)) as segment:
            packets = (packet for packet in segment.demux(video=0) if packet.size)
            for packet, time, end in zip(packets, times, ends, strict=True):
                packet.stream, packet.time_base = stream, film.time_base
                packet.pts = packet.dts = time - offset
                packet.duration = end - time
                yield packet


def _sound(container: "av.container.InputContainer", tracks: dict[int, Any], film: Film) -> Iterator["av.Packet"]:
    if not tracks:
        return
    try:
        for packet in container.demux(*container.streams.audio):
            if packet.dts is None or packet.pts is None or packet.stream.time_base is None:
                continue
            offset = round(film.start / packet.stream.time_base)
            packet.pts, packet.dts = packet.pts - offset, packet.dts - offset
            packet.stream = tracks[packet.stream.index]
            yield packet
    except av.FFmpegError:
        log.warning("note: %s: the sound is damaged and ends early", film.file)


def _check_sound(file: Path, codec: str) -> None:
    with av.open("/dev/null", "w", format="mp4") as container:
        if codec not in container.supported_codecs:
            raise UserError(
                f"{file}: an MP4 cannot hold its sound as it is ({codec}): convert that first, with "
                f"`ffmpeg -i {file.name} -c:v copy -c:a aac converted.mkv` for example"
            )


def _seconds(packet: "av.Packet") -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base or 1)


def _counted(duration: int, time_base: Fraction, rate: Fraction) -> int | None:
    return round(duration * time_base * rate) or None


def _why(error: Exception) -> str:
    if isinstance(error, FileNotFoundError):
        return "is not there"
    if isinstance(error, (IsADirectoryError, PermissionError)):
        return f"cannot be read ({error.strerror})"
    return "is no film, is damaged, or is a playlist of other files"
