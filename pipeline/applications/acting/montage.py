"""Films written in segments, each a file of its own, and joined at the end: so what is finished survives the process.

Segments have no B-frames, so the packets of a joined film lie in the order of its pictures and take their times from a
list, whatever these are.
"""

import errno
import heapq
import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np

from pipeline.applications.acting.film import OPEN, Film, Picture
from pipeline.applications.h264 import encode
from pipeline.errors import UserError

log = logging.getLogger(__name__)


def write_segment(file: Path, pictures: Iterable[Picture], film: Film) -> list[int]:
    """Some pictures of a film, as a file of their own, under a temporary name until it is whole.

    Returns:
        Their times; the file does not hold them. Empty, and no file, where there are no pictures.
    """
    part, times = file.with_suffix(".part"), []

    def images() -> Iterator[np.ndarray]:
        for picture in pictures:
            yield picture.image
            times.append(picture.time)

    try:
        with _writing(film):
            encode(str(part), images(), film)
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


def _seconds(packet: "av.Packet") -> Fraction:
    return (packet.dts or 0) * Fraction(packet.time_base or 1)
