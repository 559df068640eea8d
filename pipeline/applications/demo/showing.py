"""What the page shows: files of pictures in, pictures and sentences out. Knows nothing of the page, nor of who asks."""

import threading
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.applications.demo.gallery import Drawn, Gallery, true_answer
from pipeline.applications.marks import SAYS
from pipeline.applications.morphing import step
from pipeline.applications.portraits import Portraits
from pipeline.applications.recombine import RENDERED
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.photographs.cutting import Unusable, find, frame
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detection, Detector
from pipeline.errors import UserError

MAX_UPLOAD = 20 * 2**20  # bytes of a file
MAX_SIDE = 6  # photographs of a side of the grid


Pair = tuple[np.ndarray, np.ndarray]  # codes [d] at both ends of a way


class Input(NamedTuple):
    """A picture as the model sees it."""

    face: np.ndarray  # uint8 [S, S, 3]
    drawn: Drawn | None  # where it is a head of the gallery


class Shown(NamedTuple):
    """A picture that was made, and what stands beside it."""

    picture: np.ndarray  # uint8 [H, W, 3]
    seen: dict[str, np.ndarray]  # what it was made of and what it should be, by caption
    likeness: dict[str, float]  # cosine of f_I, to whom
    sentence: str


class Showing:
    """A trained model and a gallery.

    Args:
        model: a trained IP-GAN.
        gallery: heads that are known without a detector.
    """

    def __init__(self, model: FaceSynthesizer, gallery: Gallery) -> None:
        self.model, self.gallery = model, gallery
        self._portraits: Portraits | None = None
        self._one_at_a_time = threading.Lock()  # a detector holds the size of its picture

    def recombined(self, subject: Path | None, sample: Path | None) -> Shown:
        """The subject as the sample shows another.

        Raises:
            UserError: a picture is missing, cannot be read, or shows no face.
        """
        x_s, x_a = self.input(subject, "subject"), self.input(sample, "sample")
        f_I, z = self.f_I(x_s), self.z(x_a)
        image = self.model.synthesize(f_I, z)[0]
        seen = {"subject, as the model sees it": x_s.face, "sample, likewise": x_a.face}
        if x_s.drawn and x_a.drawn:
            seen["the true answer, rendered"] = true_answer(x_s.drawn, x_a.drawn, self.model.image_size)
        likeness = {"the subject": self._like(image, f_I), "the sample's person": self._like(image, self.f_I(x_a))}
        return Shown(image, seen, likeness, LIKENESS)

    def between(
        self, subject: Path | None, sample: Path | None, other: Path | None, people: bool, share: float
    ) -> Shown:
        """A step from one sample to another, or from one subject to another.

        Args:
            subject: a picture.
            sample: likewise.
            other: the subject or sample at the far end.
            people: whether subjects change, not samples.
            share: of the way, 0 to 1.

        Raises:
            UserError: as for `recombined`.
        """
        seen, f_I, z = self.ends(subject, sample, other, people)
        image = step(self.model, f_I, z, float(np.clip(share, 0, 1)))
        likeness = {"the subject": self._like(image, f_I[0][None])}
        if people:
            likeness["the far end"] = self._like(image, f_I[1][None])
        return Shown(image, seen, likeness, LIKENESS)

    def ends(
        self, subject: Path | None, sample: Path | None, other: Path | None, people: bool
    ) -> tuple[dict[str, np.ndarray], Pair, Pair]:
        """What a way is between: the faces by caption, f_I at both ends, z at both ends.

        Raises:
            UserError: as for `recombined`.
        """
        x_s, x_a = self.input(subject, "subject"), self.input(sample, "sample")
        x_o = self.input(other, "far end")
        seen = {"subject": x_s.face, "sample": x_a.face, "far end": x_o.face}
        f_I, z = self.f_I(x_s)[0], self.z(x_a)[0]
        return seen, (f_I, self.f_I(x_o)[0] if people else f_I), (z, z if people else self.z(x_o)[0])

    def grid(self, subjects: Sequence[Path], samples: Sequence[Path]) -> Shown:
        """Every subject (rows) with every sample (columns), framed by what they were made of.

        Raises:
            UserError: as for `recombined`, or there are too many.
        """
        if max(len(subjects), len(samples)) > MAX_SIDE:
            raise UserError(f"At most {MAX_SIDE} subjects and {MAX_SIDE} samples make a grid; take some away.")
        x_s = [self.input(file, f"subject {number}") for number, file in enumerate(subjects, 1)]
        x_a = [self.input(file, f"sample {number}") for number, file in enumerate(samples, 1)]
        if not x_s or not x_a:
            raise UserError("Choose at least one subject and one sample.")
        f_I, z = np.concatenate([self.f_I(x) for x in x_s]), np.concatenate([self.z(x) for x in x_a])
        blank = np.full_like(x_s[0].face, 255)
        rows = [[blank, *(x.face for x in x_a)]]
        for x, one in zip(x_s, f_I, strict=True):
            rows.append([x.face, *self.model.synthesize(np.repeat(one[None], len(z), axis=0), z)])
        return Shown(tiled(rows), {}, {}, "First column: the subjects. First row: the samples. The others are made.")

    def input(self, file: Path | None, which: str) -> Input:
        """A picture that somebody chose, cut out as the model wants it.

        Raises:
            UserError: there is none, it cannot be read, shows no face, or the detector is not here.
        """
        if file is None:
            raise UserError(f"The {which} is missing: choose a picture, or one of the heads beside it.")
        try:
            if file.is_file() and file.stat().st_size > MAX_UPLOAD:
                raise Undecodable("too_large", f"the file has more than {MAX_UPLOAD // 2**20} MB")
            picture = decode(read(file))
            if drawn := self.gallery.drawn(picture):
                return Input(true_answer(drawn, drawn, self.model.image_size), drawn)
            found = find(picture, self.detector(), self.model.cut)
            return Input(frame(picture, found, self.model.cut).image, None)
        except (Undecodable, Unusable) as error:
            raise UserError(
                f"The {which} does not do: {error.detail}. Choose another picture, with one large face."
            ) from None

    def about(self) -> str:
        """What the model is and is not, for the page."""
        trained = RENDERED if self.model.source == "rendered" else f"this model was trained on {self.model.source}"
        return (
            f"{trained[0].upper()}{trained[1:]}. Every picture that is made here says so in its metadata: “{SAYS}, "
            f"model {self.model.fingerprint}”. Pictures of real people need their consent."
        )

    def detector(self) -> Detector:
        """What finds faces, for one who asks at a time.

        Raises:
            UserError: it is not here.
        """
        if self._portraits is None:
            self._portraits = Portraits(self.model.cut)
        detect = self._portraits.detect

        def alone(image: np.ndarray) -> list[Detection]:
            with self._one_at_a_time:
                return list(detect(image))

        return alone

    def f_I(self, x: Input) -> np.ndarray:
        """Who it is, [1, identity_dim]."""
        return self.model.identity(x.face[None])

    def z(self, x: Input) -> np.ndarray:
        """All else, [1, attribute_dim]."""
        return self.model.attributes(x.face[None])

    def _like(self, image: np.ndarray, f_I: np.ndarray) -> float:
        return cosine(self.model.identity(image[None])[0], f_I[0])


LIKENESS = (
    "Cosine of f_I, by the model's own identity encoder: 1 is the same person, 0 anyone. It is what the model was "
    "trained to satisfy, so an independent judge says less."
)


def cosine(a: np.ndarray, b: np.ndarray) -> float:
    """Of two vectors; 0 where one has no length."""
    return float(a @ b / max(float(np.linalg.norm(a) * np.linalg.norm(b)), 1e-12))
