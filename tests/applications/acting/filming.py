"""Films that tests make and look at: known pictures, times and sound."""

from fractions import Fraction

import av
import cv2
import numpy as np
from av.video.reformatter import Interpolation

RATE = 25
EXACT = Interpolation.BICUBIC | Interpolation.ACCURATE_RND | Interpolation.FULL_CHR_H_INT


def plain(number, size=(64, 48)):
    """A picture by which its number can be told, (width, height)."""
    image = np.full((size[1], size[0], 3), (60, 90, 120), np.uint8)
    image[:, : size[0] // 2] = (200, 30, 20 + 10 * number % 230)
    return image


def moving(portrait, number, size=(320, 240), height=200, left=None):
    """A portrait on grey, some pixels further to the right in each picture."""
    small = cv2.resize(
        portrait, None, fx=height / len(portrait), fy=height / len(portrait), interpolation=cv2.INTER_AREA
    )
    image = np.full((size[1], size[0], 3), 128, np.uint8)
    left = 10 + 2 * number if left is None else left
    image[20 : 20 + len(small), left : left + small.shape[1]] = small
    return image


def write(
    file, pictures, times=None, sound="aac", unit=Fraction(1, 12800), codec="libx264", seconds=None, turned=0, **how
):
    """A film; times in `unit`, by default 25 pictures a second; sound is a tone, `seconds` long or as the pictures."""
    times = times or [round(i / RATE / unit) for i in range(len(pictures))]
    with av.open(str(file), "w", **how) as container:
        video = audio = None
        if pictures:
            video = container.add_stream(codec, rate=RATE)
            video.height, video.width = pictures[0].shape[:2]
            video.codec_context.sample_aspect_ratio = Fraction(4, 3)
            video.pix_fmt = "yuv444p" if pictures[0].shape[0] % 2 or pictures[0].shape[1] % 2 else "yuv420p"
            video.codec_context.time_base = unit
        if sound:
            audio = container.add_stream(sound, rate=44100, layout="mono")
        if turned:
            video.set_display_rotation(turned)
        for image, time in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(image)
            frame.pts, frame.time_base = time, unit
            container.mux(video.encode(frame))
        if video:
            container.mux(video.encode(None))
        if audio:
            for block in range(int((seconds or float((times[-1] + 1) * unit)) * 44100 / 1024) + 1):
                tone = np.sin((np.arange(1024) + 1024 * block) * 0.06).astype(np.float32)[None] * 0.3
                frame = av.AudioFrame.from_ndarray(tone, format="fltp", layout="mono")
                frame.sample_rate, frame.pts = 44100, 1024 * block
                container.mux(audio.encode(frame))
            container.mux(audio.encode(None))
    return file


def pictures(file):
    """Time in seconds and uint8 [H, W, 3] of each picture."""
    with av.open(str(file)) as container:
        frames = container.decode(video=0)
        return [(float(f.time), f.reformat(format="rgb24", interpolation=EXACT).to_ndarray()) for f in frames]


def count(file):
    """How many pictures there are; none is kept."""
    with av.open(str(file)) as container:
        return sum(1 for _ in container.decode(video=0))


def sound(file):
    """Time in seconds and bytes of each packet of the sound."""
    with av.open(str(file)) as container:
        packets = container.demux(audio=0)
        return [(float(packet.pts * packet.time_base), bytes(packet)) for packet in packets if packet.size]


def comment(file):
    with av.open(str(file)) as container:
        return container.metadata["comment"]
