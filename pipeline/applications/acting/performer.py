"""The subject's face in the pictures of a film, a few at a time: looked for, played and pasted side by side."""

from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import Any, NamedTuple

import numpy as np

from pipeline.applications.acting.ahead import ahead
from pipeline.applications.acting.film import Picture
from pipeline.applications.acting.following import Choice, Follower
from pipeline.applications.acting.smoothing import OneEuro
from pipeline.applications.pasting import paste
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.detection import Detection, Detector

# Pictures that go through the networks together, and all their pixels: of seven such batches at most there is something
# in memory at a time, being made or waiting.
BATCH, BATCH_PIXELS = 16, 8_000_000
# By --who: of people that are not in question f_I has a cosine near 0, of the same person far above this.
MIN_LIKENESS = 0.3


class Shown(NamedTuple):
    """The face that is meant, in a picture."""

    points: np.ndarray  # float32 [5, 2], its landmarks, held still
    crop: np.ndarray  # uint8 [S, S, 3], aligned by them
    chosen: bool  # rather than followed


class Seen(NamedTuple):
    """A batch that was looked at."""

    pictures: list[Picture]
    faces: list[Shown | None]  # None where the face is not to be seen
    state: dict[str, Any]  # of whoever looked, behind the last picture


class Acted(NamedTuple):
    """A batch with what is to be seen instead."""

    pictures: list[Picture]
    faces: list[Shown | None]
    made: np.ndarray  # uint8 [B, S, S, 3], of those pictures that show the face
    state: dict[str, Any]  # of the performer, behind the last picture; plain data


class Played(NamedTuple):
    """A picture with the subject's face in it, or as it was."""

    picture: Picture
    face: bool


class Performer:
    """Follows one face of a film and makes the subject's in its place.

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

    @contextmanager
    def playing(self, batches: Generator[list[Picture], None, None]) -> Iterator[Iterator[Acted]]:
        """All batches in their order, while threads read, look and ask the networks ahead, a batch each."""
        with ahead(batches) as read, ahead(self.look(read)) as seen, ahead(self.act(seen)) as acted:
            yield acted

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the one whose state this is."""
        self._follow.restore(state["follow"])
        self._points.restore(state["points"])
        self._z.restore(state["z"])

    def look(self, batches: Iterator[list[Picture]]) -> Generator[Seen, None, None]:
        """Where the face is."""
        for pictures in batches:
            faces = [self._shown(picture) for picture in pictures]
            yield Seen(pictures, faces, {"follow": self._follow.state(), "points": self._points.state()})

    def act(self, batches: Iterator[Seen]) -> Generator[Acted, None, None]:
        """What is to be seen there instead."""
        for pictures, faces, state in batches:
            made = self._made(pictures, faces)
            yield Acted(pictures, faces, made, {**state, "z": self._z.state()})

    def _shown(self, picture: Picture) -> Shown | None:
        seconds, cut = self._seconds(picture.time), self._model.cut
        followed = self._follow(picture.image, seconds)
        if followed is None:
            return None
        if followed.chosen:
            self._points.forget()
        face = followed.face
        points = self._points(face.landmarks, seconds, unit=float(max(face.box[2], 1)))
        return Shown(points, align(picture.image, points, cut.image_size, cut.margin)[0], followed.chosen)

    def _made(self, pictures: Sequence[Picture], faces: Sequence[Shown | None]) -> np.ndarray:
        shown = [(picture, face) for picture, face in zip(pictures, faces, strict=True) if face]
        if not shown:
            return np.empty((0,), np.uint8)
        z = self._model.attributes(np.stack([face.crop for _, face in shown]))
        for row, (picture, face) in enumerate(shown):
            if face.chosen:
                self._z.forget()
            z[row] = self._z(z[row], self._seconds(picture.time))
        return self._model.synthesize(np.repeat(self._f_I, len(z), axis=0), z)


def batched(pictures: Generator[Picture, None, None], segment: int) -> Generator[list[Picture], None, None]:
    """Pictures in batches, of which none reaches over the end of a segment: after a stop they are the same ones."""
    left = segment
    with closing(pictures):
        for first in pictures:
            several = max(1, min(BATCH, BATCH_PIXELS // (first.image.shape[0] * first.image.shape[1]), left))
            batch = [first, *islice(pictures, several - 1)]
            left = left - len(batch) or segment
            yield batch


def pasted(batch: Acted, margin: float) -> Iterator[Played]:
    """The pictures of a batch; where the face is not to be seen, they are passed through."""
    made = iter(batch.made)
    for picture, face in zip(batch.pictures, batch.faces, strict=True):
        if face is None:
            yield Played(picture, face=False)
        else:
            image = paste(picture.image, face.points, face.crop, next(made), margin)
            yield Played(Picture(picture.time, image), face=True)


def like(model: FaceSynthesizer, who: np.ndarray) -> Choice:
    """Chooses the face that f_I says is most like `who` (float32 [1, identity_dim]), if any is like it at all."""

    def choose(image: np.ndarray, faces: Sequence[Detection]) -> Detection | None:
        crops = [align(image, face.landmarks, model.cut.image_size, model.cut.margin)[0] for face in faces]
        f_I = model.identity(np.stack(crops))
        cosines = (f_I @ who[0]) / np.maximum(np.linalg.norm(f_I, axis=1) * np.linalg.norm(who), 1e-12)
        best = int(np.argmax(cosines))
        return faces[best] if cosines[best] >= MIN_LIKENESS else None

    return choose
