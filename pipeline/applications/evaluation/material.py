"""All that is compared, looked at once: the judge's word on real photographs and on what each system answers."""

from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.kept import NOWHERE, Kept
from pipeline.applications.evaluation.look import Look, Looks
from pipeline.applications.evaluation.nearness import Nearness
from pipeline.applications.evaluation.side_by_side import side_by_side
from pipeline.applications.evaluation.systems import Asked, controls, digest
from pipeline.applications.judging import Court
from pipeline.datasets.protocol import Protocol
from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import SPLITS
from pipeline.datasets.true_answers import true_recombinations
from pipeline.judges.verdict import Judge, Verdict, joined
from pipeline.metrics.realism import inception
from pipeline.training.devices import device
from pipeline.training.spread import chunks

MODEL, TRUTH = "model", "truth"  # among the systems; all but the first are controls
REAL, TRAIN = "real", "train"
AGAIN, LOOKED_AT = (TRUTH, "truth_blurred"), 2048  # controls whose images are looked at again, and how many of each
MEMORISED = 10_000  # training images among which the nearest is looked for, at equal steps through all of them


class Material(NamedTuple):
    asked: Asked
    real: Verdict  # the judge, of the photographs `asked.people.rows`
    answers: dict[str, Look]  # by system, MODEL first
    train: Verdict  # the judge, of whom training images show
    train_rows: np.ndarray  # int64, which; none where a method makes the people it was trained on
    inception: Tensor | None = None  # float32 [N, 2048], Inception's features of the photographs

    @property
    def people(self) -> Protocol:
        return self.asked.people

    def persons(self, rows: np.ndarray) -> Tensor:
        """Numbers of the people that these rows of `faces` show, int64."""
        number = {name: i for i, name in enumerate(self.people.names)}
        names = self.asked.faces.column("identity")
        return torch.tensor([number[names[row]] for row in rows])


def gather(
    court: Court,
    faces: Faces,
    people: Protocol,
    synthesized: Faces,
    inception_weights: Path | None,
    kept: Kept = NOWHERE,
) -> Material:
    """Look at every image once, with all processes; the first alone returns.

    Args:
        court: the judge.
        faces: real photographs.
        people: whom they may show.
        synthesized: the outputs.
        inception_weights: for FID and KID, or None.
        kept: what was seen before of photographs, and of controls that were asked for the same pairs.
    """
    torch.backends.cudnn.allow_tf32 = False  # convolutions in half the digits would be no float32
    asked = asked_of(faces, people, synthesized)
    train_rows = training_rows(faces) if len(asked.sample_rows) else np.zeros(0, np.int64)
    features = inception(inception_weights, device()) if inception_weights else None

    def seen(images: np.ndarray) -> Look:
        return Look(court.judge(images), {}, inception=features(_tensor(images)).cpu() if features else None)

    def recognised(images: np.ndarray) -> Look:
        return Look(court.recognise(images), {})

    answers = Answers(asked, synthesized, court, seen, kept)
    answers.prepare()
    of_pairs = [partial(answers.look, pairs) for pairs in chunks(np.arange(len(synthesized)))]
    of_people = [partial(_photographs, REAL, seen, faces, rows, kept) for rows in chunks(people.rows)]
    of_train = [partial(_photographs, TRAIN, recognised, faces, rows, kept) for rows in chunks(train_rows)]
    looks: list[Callable[[], Looks]] = [*of_pairs, *of_people, *of_train]
    found = iter(side_by_side(lambda part: looks[part](), len(looks), court.copied))
    pairs, real, train = ([next(found) for _ in parts] for parts in (of_pairs, of_people, of_train))

    photographs = _together(real)[REAL]
    trained = _together(train)[TRAIN].said if train else photographs.said.part(slice(0))
    answered = _together(pairs)
    return Material(asked, photographs.said, answered, trained, train_rows, photographs.inception)


def _photographs(name: str, view: Callable[[np.ndarray], Look], faces: Faces, rows: np.ndarray, kept: Kept) -> Looks:
    """What is seen in real ones, or was seen before."""
    return kept.looks(f"{name}-{digest(rows)}", lambda: {name: view(faces.images(rows))})


class Answers:
    """What the model and the controls hand in for the same pairs, and what is seen in it.

    Args:
        asked: of all of them.
        synthesized: the model's, a row a pair.
        court: the judge.
        seen: what is to be seen in the model's.
        kept: what was seen before in the controls'.
    """

    def __init__(
        self, asked: Asked, synthesized: Faces, court: Court, seen: Callable[[np.ndarray], Look], kept: Kept
    ) -> None:
        self.asked, self.synthesized, self.seen, self.kept = asked, synthesized, seen, kept
        # Controls hand in the same photograph many times.
        self.judge, self.recognise = asked_once(court.judge), asked_once(court.recognise)
        self.controls = cache(lambda: controls(asked))

    def prepare(self) -> None:
        """What all controls need, once, before this process is copied; not where all was seen before."""
        if not all(self.kept.has_looks(self._name(pairs)) for pairs in chunks(np.arange(len(self.synthesized)))):
            self.controls()

    def look(self, pairs: np.ndarray) -> Looks:
        """At the answers to some of the pairs, by system, MODEL first."""
        asked, again = self.asked.part(pairs), bool(pairs[0] < LOOKED_AT)
        truth = cache(lambda: _truth(asked) if self.asked.truth_known else np.zeros(0, np.uint8))
        known = self.kept.looks(self._name(pairs), lambda: self._of_controls(asked, truth(), again))
        images = self.synthesized.images(pairs)
        own = self.seen(images)
        if TRUTH in known:
            near = self._nearness(asked, known[TRUTH].images if again else truth(), known[TRUTH].said)
            own = own._replace(truth=near.of(images, own.said))
        return {MODEL: own._replace(images=images) if again else own, **known}

    def _of_controls(self, asked: Asked, true: np.ndarray, again: bool) -> Looks:
        images = {name: control(asked, true) for name, control in self.controls().items()}
        looks = {name: Look(self.judge(made), {}) for name, made in images.items()}
        if len(true):
            near = self._nearness(asked, true, looks[TRUTH].said)
            looks = {name: o._replace(truth=near.of(images[name], o.said)) for name, o in looks.items()}
        return {name: o._replace(images=images[name]) if again and name in AGAIN else o for name, o in looks.items()}

    def _nearness(self, asked: Asked, true: np.ndarray, said: Verdict) -> Nearness:
        return Nearness(true, said, asked.landmarks(asked.sample_rows), self.recognise)

    def _name(self, pairs: np.ndarray) -> str:
        return f"controls-{pairs[0]}-{self.asked.part(pairs).digest}"


def asked_once(judge: Judge) -> Judge:
    """The same judge, who is shown each image of a batch once, however often it comes."""

    def judged(images: np.ndarray) -> Verdict:
        number: dict[bytes, int] = {}
        place = np.array([number.setdefault(image.tobytes(), len(number)) for image in images])
        if len(number) == len(images):
            return judge(images)
        return judge(images[np.unique(place, return_index=True)[1]]).part(place)

    return judged


def training_rows(faces: Faces) -> np.ndarray:
    """Of at most MEMORISED training images, the rows."""
    if SPLITS[0] not in faces.coded("split")[1]:
        return np.zeros(0, np.int64)
    return at_equal_steps(faces.of_split(SPLITS[0]), MEMORISED)


def at_equal_steps(rows: np.ndarray, most: int) -> np.ndarray:
    """All rows, or so many of them, from the first to the last."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(np.int64)]


def _truth(asked: Asked) -> np.ndarray:
    """The true recombinations, uint8 [B, S, S, 3]."""
    return true_recombinations(asked.faces, asked.subject_rows, asked.sample_rows)


def asked_of(faces: Faces, people: Protocol, synthesized: Faces) -> Asked:
    """For which pairs these faces were made."""
    row_of = {key: row for row, key in enumerate(faces.column("key"))}
    every = np.arange(len(synthesized))
    subject = np.array([row_of[key] for key in synthesized.column("subject_key")])
    samples = synthesized.column("sample_key") if synthesized.has("sample_key", every) else ()
    return Asked(faces, people, subject, np.array([row_of[key] for key in samples], np.int64))


def _together(parts: list[Looks]) -> Looks:
    """Of each system all parts, one behind the other; every part has to have all systems."""
    return {name: _joined([looks[name] for looks in parts]) for name in parts[0]}


def _joined(looks: list[Look]) -> Look:
    truth = {name: np.concatenate([look.truth[name] for look in looks]) for name in looks[0].truth}
    images = [look.images for look in looks if len(look.images)]
    inception = [look.inception for look in looks if look.inception is not None]
    return Look(
        joined([look.said for look in looks]),
        truth,
        np.concatenate(images) if images else looks[0].images,
        torch.cat(inception) if inception else None,
    )


def _tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] => uint8 [B, 3, S, S]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
