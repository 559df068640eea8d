"""Short films: the subject in a clip that somebody brings, or as a rendered head performs, and the way of a morph."""

import tempfile
from collections.abc import Generator, Iterator
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from pipeline.applications import marks
from pipeline.applications.demo.gallery import SHOWN_SIZE
from pipeline.applications.demo.showing import MAX_UPLOAD, Input, Showing
from pipeline.applications.films import mp4
from pipeline.applications.morphing import way
from pipeline.datasets import heads
from pipeline.datasets.photographs.detection import Detector
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.applications.acting.film import Film, Picture

MAX_SECONDS, MAX_PICTURES, MAX_PIXELS = 10, 600, 1920 * 1080
LIMITS = f"At most {MAX_SECONDS} seconds, {MAX_UPLOAD // 2**20} MB and 1920 × 1080 pixels"
STEPS = 30  # pictures of a way; the film goes there and back
PERFORMANCE = 48  # pictures of a rendered head


class Filmed(NamedTuple):
    """A film that was made, and what stands beside it."""

    film: bytes  # MP4
    seen: dict[str, np.ndarray]  # what it was made of, by caption
    likeness: dict[str, float]
    sentence: str


class Filming:
    """Makes films with the model and the detector of the page.

    Args:
        showing: has both.
        folder: for what is there only while a film is made.
    """

    def __init__(self, showing: Showing, folder: Path) -> None:
        self._showing, self._model, self._folder = showing, showing.model, folder

    def between(self, subject: Path | None, sample: Path | None, other: Path | None, people: bool) -> Filmed:
        """The way of `Showing.between`, there and back.

        Raises:
            UserError: as there, or PyAV is not installed.
        """
        seen, f_I, z = self._showing.ends(subject, sample, other, people)
        there = way(self._model, f_I, z, STEPS)
        return self._filmed(np.concatenate([there, there[-2:0:-1]]), seen, "There and back, without an end.")

    def performed(self, subject: Path | None) -> Filmed:
        """The subject as a rendered head turns, smiles and speaks; needs no detector.

        Raises:
            UserError: the subject is missing, cannot be read, or shows no face, or PyAV is not installed.
        """
        x_s = self._showing.input(subject, "subject")
        person, scenes = performance()
        size = self._model.image_size
        given = np.stack([heads.render(person, scene, size).image for scene in scenes])
        f_I = np.repeat(self._showing.f_I(x_s), len(given), axis=0)
        parts, said = [given, self._model.synthesize(f_I, self._model.attributes(given))], "Left: a rendered head."
        if x_s.drawn:
            parts.append(np.stack([heads.render(x_s.drawn.identity, scene, size).image for scene in scenes]))
            said += " Middle: the subject, by the model. Right: the true answer, rendered."
        else:
            said += " Right: the subject, by the model."
        return self._filmed(np.concatenate(parts, axis=2), {"subject": x_s.face}, said)

    def acted(self, subject: Path | None, clip: Path | None) -> Filmed:
        """A clip with the subject's face in place of the largest, by the code of `act`.

        Raises:
            UserError: a file is missing, cannot be read, is over a limit, or shows no face, or the detector or PyAV is
                not here.
        """
        from pipeline.applications.acting.film import opened

        x_s = self._showing.input(subject, "subject")
        if clip is None:
            raise UserError("The clip is missing: choose a film, or record one.")
        detect = self._showing.detector()
        try:
            if clip.is_file() and clip.stat().st_size > MAX_UPLOAD:
                raise UserError(f"the file has more than {MAX_UPLOAD // 2**20} MB; choose a shorter one")
            with opened(clip) as film, tempfile.TemporaryDirectory(dir=self._folder) as place:
                return self._played(film, detect, x_s, Path(place))
        except UserError as error:
            # Where the clip lies is nobody's business.
            raise UserError(f"The clip does not do: {str(error).removeprefix(f'{clip}: ')}.") from None

    def _played(self, film: "Film", detect: Detector, x_s: Input, place: Path) -> Filmed:
        from pipeline.applications.acting import montage
        from pipeline.applications.acting.following import at_largest
        from pipeline.applications.acting.performer import Performer, batched, pasted

        if film.pictures and film.pictures / film.rate > MAX_SECONDS + 1:
            raise UserError(TOO_LONG)
        faces, f_I = 0, self._showing.f_I(x_s)

        def played() -> Iterator["Picture"]:
            nonlocal faces
            seconds = float(film.time_base)
            performer = Performer(self._model, detect, f_I, at_largest, lambda t: t * seconds)
            with performer.playing(batched(_within_limits(film), MAX_PICTURES)) as batches:
                for one in chain.from_iterable(pasted(batch, self._model.cut.margin) for batch in batches):
                    faces += one.face
                    yield one.picture

        times = montage.write_segment(place / "pictures.mp4", played(), film)
        if not faces:
            raise UserError("no face was found in any of its pictures; choose a film of one large face")
        said = marks.sentence(self._model.fingerprint)
        montage.join(place / "whole.mp4", film, [(place / "pictures.mp4", times)], said)
        sentence = f"{faces} of {len(times)} pictures show the face; the others are as they were. The sound stays."
        return Filmed((place / "whole.mp4").read_bytes(), {"subject": x_s.face}, {}, sentence)

    def _filmed(self, frames: np.ndarray, seen: dict[str, np.ndarray], sentence: str) -> Filmed:
        """Enlarged, since players show few pixels as few."""
        factor = max(1, SHOWN_SIZE // self._model.image_size)
        large = [cv2.resize(f, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC) for f in frames]
        return Filmed(mp4(np.stack(large), self._model.fingerprint), seen, {}, sentence)


def performance() -> tuple[np.ndarray, np.ndarray]:
    """A head [50] and what it does, [PERFORMANCE, 23], beginning where it ends."""
    turn = np.linspace(0, 2 * np.pi, PERFORMANCE, endpoint=False)
    moved = {
        "yaw": 32 * np.sin(turn),
        "pitch": 8 * np.sin(2 * turn),
        "smile": 0.3 - 0.6 * np.cos(turn),
        "mouth_open": 0.4 * (1 - np.cos(4 * turn)),
        "light_azimuth": 50 * np.cos(turn),
    }
    scenes = np.repeat(heads.neutral_attributes()[None], PERFORMANCE, axis=0)
    for place, dimension in enumerate(heads.ATTRIBUTES):
        if dimension.name in moved:
            scenes[:, place] = np.clip(moved[dimension.name], dimension.low, dimension.high)
    return heads.neutral_identity(), scenes


def _within_limits(film: "Film") -> Generator["Picture", None, None]:
    """The pictures of a film, which may be longer and larger than its header says."""
    first: int | None = None
    for number, picture in enumerate(film.read()):
        height, width = picture.image.shape[:2]
        if height * width > MAX_PIXELS:
            raise UserError(f"its pictures have {width} × {height} pixels; choose one of at most 1920 × 1080")
        first = picture.time if first is None else first
        if number >= MAX_PICTURES or (picture.time - first) * film.time_base > MAX_SECONDS:
            raise UserError(TOO_LONG)
        yield picture


TOO_LONG = f"it has more than {MAX_SECONDS} seconds or {MAX_PICTURES} pictures; choose a shorter one"
