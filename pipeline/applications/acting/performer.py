"""The subject's face in the pictures of a film, a few at a time."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pipeline.applications.acting.film import Picture
from pipeline.applications.acting.following import Choice, Followed, Follower
from pipeline.applications.acting.smoothing import OneEuro
from pipeline.applications.pasting import paste
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.detection import Detection, Detector

BATCH, BATCH_PIXELS = 16, 20_000_000  # pictures that go through the networks together, and all their pixels
# By --who: of people that are not in question f_I has a cosine near 0, of the same person far above this.
MIN_LIKENESS = 0.3


class Played(NamedTuple):
    """A picture with the subject's face in it, or as it was."""

    picture: Picture
    face: bool


class Performer:
    """Follows one face of a film and puts the subject's in its place.

    Args:
        model: makes the faces.
        detect: finds them.
        f_I: the subject, float32 [1, identity_dim].
        choose: which of several faces.
        seconds: of a time of the film.
    """

    def __init__(
        self,
        model: FaceSynthesizer,
        detect: Detector,
        f_I: np.ndarray,
        choose: Choice,
        seconds: Callable[[int], float],
    ) -> None:
        self._model, self._f_I, self._seconds = model, f_I, seconds
        self._follow = Follower(detect, choose)
        self._points = OneEuro(rest_hz=1.5, per_speed=10.0)  # speed in widths of the face
        self._z = OneEuro(rest_hz=2.0, per_speed=1.0)  # z is N(0, 1) over all faces

    def play(self, pictures: Iterable[Picture]) -> Iterator[Played]:
        """The pictures in their order; where the face is not to be seen, they are passed through."""
        pictures = iter(pictures)
        for first in pictures:
            several = max(1, min(BATCH, BATCH_PIXELS // (first.image.shape[0] * first.image.shape[1])))
            yield from self._played([first, *islice(pictures, several - 1)])

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        return {"follow": self._follow.state(), "points": self._points.state(), "z": self._z.state()}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the one that said this of itself."""
        self._follow.restore(state["follow"])
        self._points.restore(state["points"])
        self._z.restore(state["z"])

    def _played(self, pictures: Sequence[Picture]) -> Iterator[Played]:
        cut = self._model.cut
        found = [self._found(picture) for picture in pictures]
        points = [self._steady(picture, face) if face else None for picture, face in zip(pictures, found, strict=True)]
        seen = [
            None if at is None else align(picture.image, at, cut.image_size, cut.margin)[0]
            for picture, at in zip(pictures, points, strict=True)
        ]
        made = iter(self._made(pictures, found, seen))
        for picture, at, crop in zip(pictures, points, seen, strict=True):
            if at is None or crop is None:
                yield Played(picture, face=False)
            else:
                yield Played(Picture(picture.time, paste(picture.image, at, crop, next(made), cut.margin)), face=True)

    def _found(self, picture: Picture) -> Followed | None:
        return self._follow(picture.image, self._seconds(picture.time))

    def _steady(self, picture: Picture, followed: Followed) -> np.ndarray:
        if followed.chosen:
            self._points.forget()
        face = followed.face
        return self._points(face.landmarks, self._seconds(picture.time), unit=float(max(face.box[2], 1)))

    def _made(
        self, pictures: Sequence[Picture], found: Sequence[Followed | None], seen: Sequence[np.ndarray | None]
    ) -> np.ndarray:
        """Those of the pictures that show the face: uint8 [B, S, S, 3]."""
        shown = [(p, f, crop) for p, f, crop in zip(pictures, found, seen, strict=True) if f and crop is not None]
        if not shown:
            return np.empty((0,), np.uint8)
        z = self._model.attributes(np.stack([crop for _, _, crop in shown]))
        for row, (picture, followed, _) in enumerate(shown):
            if followed.chosen:
                self._z.forget()
            z[row] = self._z(z[row], self._seconds(picture.time))
        return self._model.synthesize(np.repeat(self._f_I, len(z), axis=0), z)


def like(model: FaceSynthesizer, who: np.ndarray) -> Choice:
    """Chooses the face that f_I says is most like `who` (float32 [1, identity_dim]), if any is like it at all."""

    def choose(image: np.ndarray, faces: Sequence[Detection]) -> Detection | None:
        crops = [align(image, face.landmarks, model.cut.image_size, model.cut.margin)[0] for face in faces]
        f_I = model.identity(np.stack(crops))
        cosines = (f_I @ who[0]) / np.maximum(np.linalg.norm(f_I, axis=1) * np.linalg.norm(who), 1e-12)
        best = int(np.argmax(cosines))
        return faces[best] if cosines[best] >= MIN_LIKENESS else None

    return choose
