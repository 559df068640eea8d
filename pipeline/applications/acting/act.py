"""`python -m pipeline act`: a film from its file to a file, which goes on where it was stopped."""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from pydantic import BaseModel

from pipeline import work
from pipeline.applications import marks
from pipeline.applications.acting import film as films
from pipeline.applications.acting import montage
from pipeline.applications.acting.film import Film, Picture
from pipeline.applications.acting.following import PLACES
from pipeline.applications.acting.performer import Acted, Performer, batched, like, pasted
from pipeline.applications.portraits import Portrait, Portraits, check_named, stacked
from pipeline.applications.recombine import opened
from pipeline.errors import UserError
from pipeline.terminal import LINE_SECONDS, bar

SEGMENT = 240  # pictures; of so many at most the work is lost when the process dies
log = logging.getLogger(__name__)


class Acting(BaseModel):
    """What the pictures follow from, beside the film."""

    model: str
    subject: str
    who: str
    person: str


class Segment(NamedTuple):
    """A finished part of a film; its pictures are in a file of its own."""

    times: list[int]
    faces: int
    state: dict[str, Any]  # of the performer, at its end


def act(
    subject: Sequence[Path], video: Path, out: Path, person: str = "largest", who: Path | None = None
) -> dict[str, Any]:
    """Write an MP4: the film, with the subject's face in place of one person's.

    Args:
        subject: photographs of the person who is to be seen.
        video: a film of a stand-in.
        out: the MP4.
        person: which of several people, one of PLACES.
        who: a photograph of that person instead.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a file cannot be read, shows no face or no film, or the model is missing.
    """
    _check(out, video)
    check_named([*subject, *([who] if who else [])], out)
    with films.opened(video) as film:
        model = opened()
        portraits = Portraits(model.cut)
        x_s = list(portraits.each(subject))
        other = [portraits.of(who)] if who else []
        choose = like(model, model.person(stacked(other))) if other else PLACES[person]
        performer = Performer(
            model, portraits.detect, model.person(stacked(x_s)), choose, lambda t: float(t * film.time_base)
        )
        how = Acting(model=model.fingerprint, subject=_digest(x_s), who=_digest(other), person=person)
        with work.building("act", how, inputs=[video]) as folder:
            segments = _played(film, performer, folder, model.cut.margin)
            joined = folder / "joined.mp4"
            parts = [(_file(folder, number), segment.times) for number, segment in enumerate(segments)]
            montage.join(joined, film, parts, marks.sentence(model.fingerprint))
            work.publish(joined, out)
            pictures, faces = sum(len(s.times) for s in segments), sum(s.faces for s in segments)
            inputs = {"subject": [p.name for p in x_s], "video": str(video), "who": str(who) if who else None}
            made = {
                "out": str(out),
                "model": model.fingerprint,
                "inputs": inputs,
                "settings": {"person": None if who else person},
                "frames": {"all": pictures, "with_face": faces, "passed_through": pictures - faces},
            }
            said = json.dumps({"facet": marks.SAYS, **made}, indent=2, sort_keys=True)
            marks.replace(out.with_name(f"{out.name}.json"), said.encode() + b"\n")
    if not faces:
        log.warning("note: %s: the face that is meant is in no picture; all are as they were", video)
    return made


def _check(out: Path, video: Path) -> None:
    """Refuse at once what would fail after hours."""
    if out.suffix.lower() != ".mp4":
        raise UserError(f"{out}: the result is an MP4; let --out end in .mp4")
    if out.exists() and video.exists() and out.samefile(video):
        raise UserError(f"{out}: is the film that is read; choose another name with --out")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None
    if out.is_dir() or not os.access(out.parent, os.W_OK):
        raise UserError(f"{out}: cannot be written; choose another place with --out")


def _played(film: Film, performer: Performer, folder: Path, margin: float) -> list[Segment]:
    """All segments of a film, those that an earlier run finished included."""
    segments: list[Segment] = []
    skip = 0
    for segment in _kept(folder):
        performer.restore(segment.state)
        segments.append(segment._replace(state={}))
        skip += len(segment.times)
    if segments:
        log.info("%s: %d pictures are there from an earlier run", film.file, skip)
    with (
        _told(film.pictures, skip) as told,
        performer.playing(batched(film.read(skip), SEGMENT)) as batches,
    ):
        while True:
            taking = _Taking(batches, margin)
            file = _file(folder, len(segments))
            times = montage.write_segment(file, map(told, taking), film)
            if not times:
                break
            segments.append(Segment(times, taking.faces, state={}))  # the states of hours would fill the memory
            said = segments[-1]._replace(state=taking.state)
            marks.replace(file.with_suffix(".json"), json.dumps(said._asdict()).encode())
    if not segments:
        raise UserError(f"{film.file}: no picture of it can be decoded; choose another film")
    return segments


class _Taking:
    """The pictures of a segment, once; `faces` and `state` are of all that were taken."""

    def __init__(self, batches: Iterator[Acted], margin: float) -> None:
        self._batches, self._margin = batches, margin
        self.faces, self.state = 0, dict[str, Any]()

    def __iter__(self) -> Iterator[Picture]:
        left = SEGMENT
        while left and (batch := next(self._batches, None)):
            for played in pasted(batch, self._margin):
                self.faces += played.face
                yield played.picture
            left, self.state = left - len(batch.pictures), batch.state


def _kept(folder: Path) -> Iterator[Segment]:
    """The segments that an earlier run finished, without a gap."""
    number = 0
    while (file := _file(folder, number)).exists() and file.with_suffix(".json").exists():
        yield Segment(**json.loads(file.with_suffix(".json").read_bytes()))
        number += 1


def _file(folder: Path, number: int) -> Path:
    return folder / f"{number:06d}.mp4"


@contextmanager
def _told(total: int | None, done: int) -> Iterator[Callable[[Picture], Picture]]:
    """A function that hands pictures on, and says how many there were and how long the others will take."""
    with bar("pictures", total, done) as shown:
        began = said = time.monotonic()
        number = 0

        def tell(picture: Picture) -> Picture:
            nonlocal number, said
            number, now = number + 1, time.monotonic()
            if shown is not None:
                shown.update()
            elif now - said >= LINE_SECONDS:
                said, rate = now, number / (now - began)
                left = f", {(total - done - number) / rate / 60:.0f} min left" if total else ""
                log.info("%d of %s pictures, %.1f/s%s", done + number, total or "unknown", rate, left)
            return picture

        yield tell


def _digest(portraits: Sequence[Portrait]) -> str:
    faces = np.stack([portrait.face.image for portrait in portraits]) if portraits else np.empty(0, np.uint8)
    return hashlib.sha256(faces.tobytes()).hexdigest()[:16]
