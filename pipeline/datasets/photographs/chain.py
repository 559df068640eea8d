"""Many photographs into faces to train on, step by step together."""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple

import numpy as np

from pipeline.datasets.faces import Cut, Face, Photograph, Quality
from pipeline.datasets.photographs.cutting import Found, Unusable, find, frame
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detector
from pipeline.datasets.photographs.hashing import perceptual_hash
from pipeline.datasets.photographs.quality import quality

TOGETHER = 32  # photographs
TOGETHER_BYTES = 8 * 2**20  # of their pixels; then fewer at a time

# uint8 [H, W, 3] RGB and landmarks [5, 2] in its pixels -> float32 [d]
Embed = Callable[[np.ndarray, np.ndarray], np.ndarray]


class Bounds(NamedTuple):
    """Which faces are good enough to train on."""

    min_face_pixels: int
    min_sharpness: float
    min_exposure: float
    max_exposure: float
    max_yaw: float
    max_pitch: float
    max_roll: float


class Seconds(dict[str, float]):
    """Time spent, by what it was spent on: `lap` adds what went by since the last."""

    def __init__(self) -> None:
        super().__init__()
        self._last = time.perf_counter()

    def lap(self, what: str) -> None:
        now = time.perf_counter()
        self[what] = self.get(what, 0.0) + now - self._last
        self._last = now


@dataclass
class _Picture:
    """A photograph on its way to a face; each step adds what it finds."""

    photograph: Photograph
    image: np.ndarray
    content: bytes
    found: Found = field(init=False)
    face: Face = field(init=False)


class Chain(NamedTuple):
    """What turns photographs into faces to train on."""

    detect: Detector
    cut: Cut
    bounds: Bounds
    embed: Embed | None

    def faces(self, photographs: Iterable[Photograph], seconds: Seconds) -> Iterator[Face | Unusable]:
        """What becomes of each, in order.

        A step is done for several photographs before the next one is: a detector leaves nothing else in the
        processor's caches, and after it each of the other steps would take up to three times as long.

        Args:
            photographs: as their sources name them.
            seconds: gets the time spent.
        """
        steps = [("detect", self._find), ("align", self._frame), ("else", self._measure)]
        if self.embed is not None:
            steps.append(("recognise", partial(self._embed, self.embed)))
        for some in self._opened(photographs, seconds):
            for what, step in steps:
                some = [_tried(step, picture) for picture in some]
                seconds.lap(what)
            yield from (one if isinstance(one, Unusable) else one.face for one in some)

    def _opened(self, photographs: Iterable[Photograph], seconds: Seconds) -> Iterator[list[_Picture | Unusable]]:
        """As many as are worked on together, in memory."""
        some: list[_Picture | Unusable] = []
        size = 0
        for photograph in photographs:
            try:
                picture = _open(photograph, seconds)
                size += picture.image.nbytes
                some.append(picture)
            except Unusable as error:
                some.append(error)
                seconds.lap("else")
            if len(some) == TOGETHER or size >= TOGETHER_BYTES:
                yield some
                some, size = [], 0
        yield some

    def _find(self, picture: _Picture) -> None:
        picture.found = find(picture.image, self.detect, self.cut, picture.photograph)

    def _frame(self, picture: _Picture) -> None:
        picture.face = frame(picture.image, picture.found, self.cut)

    def _measure(self, picture: _Picture) -> None:
        """Add the numbers; turn down what is outside a bound."""
        face = picture.face
        measured = quality(face.image, picture.found.landmarks, self.cut.margin)
        _check(face, measured, self.bounds)
        hashed = perceptual_hash(picture.image)
        picture.face = face._replace(quality=measured, content=picture.content, hash=hashed)

    def _embed(self, embed: Embed, picture: _Picture) -> None:
        picture.face = picture.face._replace(embedding=embed(picture.image, picture.found.landmarks))


def _tried(step: Callable[[_Picture], None], picture: _Picture | Unusable) -> _Picture | Unusable:
    if isinstance(picture, Unusable):
        return picture
    try:
        step(picture)
    except Unusable as error:
        return error
    return picture


def _open(photograph: Photograph, seconds: Seconds) -> _Picture:
    try:
        data = read(photograph.file, photograph.offset, photograph.size)
        seconds.lap("decode")
        content = hashlib.sha256(data).digest()
        if photograph.sha256 is not None and photograph.sha256 != content.hex():
            raise Unusable("changed", "the content is not what the manifest says; make the manifest again")
        seconds.lap("else")
        image = decode(data)
        seconds.lap("decode")
    except Undecodable as error:
        raise Unusable(error.reason, error.detail) from None
    return _Picture(photograph, image, content)


def _check(face: Face, q: Quality, bounds: Bounds) -> None:
    """Turn down what is outside a bound; the first one that fails is the reason."""
    # Without a detector's box: it is about twice as wide as the eyes are apart.
    width = float(face.box[2]) if face.box is not None else 2 * q.eye_distance
    if width < bounds.min_face_pixels:
        wanted = f"at least {bounds.min_face_pixels} are asked for"
        raise Unusable("small_face", f"the face is {width:.0f} pixels wide, {wanted}")
    if q.sharpness < bounds.min_sharpness:
        raise Unusable("blurred", f"sharpness is {q.sharpness:.1f}, at least {bounds.min_sharpness:g} is asked for")
    if q.exposure < bounds.min_exposure:
        raise Unusable("dark", f"exposure is {q.exposure:.2f}, at least {bounds.min_exposure:g} is asked for")
    if q.exposure > bounds.max_exposure:
        raise Unusable("bright", f"exposure is {q.exposure:.2f}, at most {bounds.max_exposure:g} is asked for")
    for angle in ("yaw", "pitch", "roll"):
        value, most = getattr(q, angle), getattr(bounds, f"max_{angle}")
        if abs(value) > most:
            raise Unusable(f"large_{angle}", f"{angle} is {value:.0f} degrees, at most {most:g} are asked for")
