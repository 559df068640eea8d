"""`python -m pipeline edit`: one thing of a face changes: an attribute in z, or a trait of the person in f_I."""

import logging
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as arrays_of
from safetensors.numpy import save as serialized

from pipeline import paths
from pipeline.applications import deliveries, marks
from pipeline.applications.directions import Directions, fits
from pipeline.applications.portraits import Portraits, check_named, stacked
from pipeline.applications.prepared import prepared
from pipeline.applications.recombine import opened
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets import heads
from pipeline.errors import UserError
from pipeline.training.spread import CHUNK, chunks

log = logging.getLogger(__name__)

KNOWN = {"attribute": heads.ATTRIBUTES, "trait": heads.IDENTITY}
FAINT = 0.1  # of a number's variance
MOST, FEWEST = 16384, 6  # photographs that directions are fitted on, and people
SOME = 4  # chunks after which it can be said how long all take


class Change(NamedTuple):
    """What a person asks for."""

    kind: str  # "attribute" or "trait"
    name: str
    amount: float  # in the number's own unit
    relative: bool  # by so much; else to so much


def edit(photographs: Sequence[Path], change: Change, out: Path) -> dict[str, Any]:
    """Write the face of each photograph, drawn with one thing changed.

    Args:
        photographs: files, folders, or `-`.
        change: the same for all.
        out: of one photograph ends in .png or is `-`; of one or several a folder.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: there is no such thing, the photograph shows no face, the model is missing, or nothing to fit on.
    """
    deliveries.picture_or_folder(out)
    checked(change)
    check_named(photographs, out)
    model = opened()
    shown = list(Portraits(model.cut).each(photographs))  # before minutes of fitting
    if len(shown) > 1 and deliveries.is_picture(out):
        raise UserError(f"{out}: {len(shown)} photographs do not go into one; name a folder with --out")
    directions = known_directions(model)
    told = directions[change.kind].clarity[[d.name for d in KNOWN[change.kind]].index(change.name)]
    if told < FAINT:
        log.warning("note: this model's codes tell next to nothing of %s; little will change", change.name)
    images, now, then = edited(model, directions, stacked(shown), change)
    numbers = {"from": now, "to": then, "drawn": read(model, directions, images, change)}
    names = [portrait.name for portrait in shown]
    made: dict[str, Any] = {"out": str(out), "model": model.fingerprint, "inputs": {"photograph": names}}
    made["settings"] = {change.kind: change.name, **{name: array.tolist() for name, array in numbers.items()}}
    if deliveries.is_picture(out):
        deliveries.file(out, marks.png(images[0], model.fingerprint), made)
        return made
    with deliveries.folder(out, made) as part:
        for number, (name, image) in enumerate(zip(names, images, strict=True)):
            (part / f"{number:03d}_{Path(name).stem}.png").write_bytes(marks.png(image, model.fingerprint))
    return made


def edited(
    model: FaceSynthesizer, directions: dict[str, Directions], images: np.ndarray, change: Change
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Aligned faces, uint8 [B, S, S, 3], with one thing changed; from which numbers, as read, and to which."""
    codes = {"trait": model.identity(images), "attribute": model.attributes(images)}
    known, lines, code = KNOWN[change.kind], directions[change.kind], codes[change.kind]
    now = lines.read(code, known, change.name)
    then = now + change.amount if change.relative else np.full_like(now, change.amount)
    codes[change.kind] = lines.moved(code, known, change.name, now, then)
    return model.synthesize(codes["trait"], codes["attribute"]), now, then


def read(model: FaceSynthesizer, directions: dict[str, Directions], images: np.ndarray, change: Change) -> np.ndarray:
    """The number that is changed, as the codes of aligned faces, uint8 [B, S, S, 3], speak of it: float64 [B]."""
    code = model.identity(images) if change.kind == "trait" else model.attributes(images)
    return directions[change.kind].read(code, KNOWN[change.kind], change.name)


def checked(change: Change) -> None:
    """Raises UserError where there is no such thing, or it has no such value."""
    dimension = next((d for d in KNOWN[change.kind] if d.name == change.name), None)
    if dimension is None:
        names = ", ".join(d.name for d in KNOWN[change.kind])
        raise UserError(f"edit: no {change.kind} is called {change.name!r}; there are: {names}")
    low, high = dimension.low, dimension.high
    if change.relative:
        low, high = low - high, high - low
    if not low <= change.amount <= high:
        way = "--by" if change.relative else "--to"
        raise UserError(
            f"edit: {way} of {change.name} should be from {low:g} to {high:g} ({dimension.unit}; got {change.amount:g})"
        )


def known_directions(model: FaceSynthesizer) -> dict[str, Directions]:
    """As they were fitted for this model; fitted now where they were not.

    Raises:
        UserError: there is nothing to fit on, or the file is damaged.
    """
    file = paths.DIRECTIONS / f"{model.fingerprint}.safetensors"
    if not file.exists():
        log.info("edit: directions are fitted first, once for this model")
        return fit(model)
    try:
        arrays = arrays_of(file.read_bytes())
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file} is damaged ({error}); `python -m pipeline edit --fit` makes it again") from None
    blank = np.zeros((1, model.image_size, model.image_size, 3), np.uint8)
    sizes = {"attribute": model.attributes(blank).shape[1], "trait": model.identity(blank).shape[1]}
    found = {}
    for kind, known in KNOWN.items():
        own = {name.split(".")[1]: array for name, array in arrays.items() if name.startswith(f"{kind}.")}
        if not fits(own, known, sizes[kind]):
            raise UserError(f"{file} is of other heads; `python -m pipeline edit --fit` makes it again")
        found[kind] = Directions(**own)
    return found


def fit(model: FaceSynthesizer) -> dict[str, Directions]:
    """Directions by the rendered heads of the train split, kept for this model.

    Raises:
        UserError: none are prepared, too few, or what is prepared are photographs, of which nobody knows the numbers.
    """
    faces = prepared(model, "`edit` learns its directions from rendered heads")
    rows = faces.of_split("train")[:MOST]  # people stand together, so these are all of theirs
    if not all(faces.has(f"{name}_vector", rows) for name in ("attribute", "identity")):
        raise UserError(
            f"{faces.folder} holds photographs, of which no attributes are known: `edit` learns its directions from "
            "rendered heads; make some with `data.source: rendered` and `dvc repro prepare`"
        )
    _, person = np.unique(faces.column("identity")[rows].astype(str), return_inverse=True)
    if person.max() + 1 < FEWEST:
        raise UserError(f"{faces.folder}: {person.max() + 1} people are too few for directions; {FEWEST} are needed")
    codes, began = [], time.monotonic()
    for part in chunks(rows):
        images = faces.images(part)
        codes.append((model.identity(images), model.attributes(images)))
        if len(codes) == SOME:
            left = (time.monotonic() - began) * (len(rows) / (SOME * CHUNK) - 1)
            log.info("edit: %d heads are looked at, about %.0f s", len(rows), max(left, 1))
    f_I, z = (np.concatenate(code) for code in zip(*codes, strict=True))
    traits = by_person(faces.column("identity_vector", rows), person)
    found = {
        "attribute": Directions.fit(z, faces.column("attribute_vector", rows), heads.ATTRIBUTES, person),
        "trait": Directions.fit(by_person(f_I, person), traits, heads.IDENTITY, np.arange(len(traits))),
    }
    keep(paths.DIRECTIONS / f"{model.fingerprint}.safetensors", found)
    return found


def by_person(columns: np.ndarray, person: np.ndarray) -> np.ndarray:
    """The mean of each person's rows [N, d], as long as they are on average: [P, d]."""
    means = []
    for p in range(person.max() + 1):
        own = columns[person == p]
        mean = own.mean(0)
        means.append(mean * np.linalg.norm(own, axis=1).mean() / max(float(np.linalg.norm(mean)), 1e-12))
    return np.stack(means)


def keep(file: Path, found: dict[str, Directions]) -> None:
    """Write directions for the next time."""
    arrays = {f"{kind}.{name}": a for kind, lines in found.items() for name, a in lines._asdict().items()}
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        marks.replace(file, serialized({name: np.ascontiguousarray(a) for name, a in arrays.items()}))
    except OSError as error:
        raise UserError(f"{file} cannot be written ({error.strerror}); make room or give yourself the right") from None


def as_text(found: dict[str, Directions]) -> str:
    """What can be changed, how far it goes, and how much of it the code tells."""
    lines = ["           name                   from     to  told  unit"]
    for kind, known in KNOWN.items():
        for d, told in zip(known, found[kind].clarity, strict=True):
            lines.append(f"--{kind:<9} {d.name:<20} {d.low:>6g} {d.high:>6g}  {max(told, 0):4.2f}  {d.unit}")
    return "\n".join([*lines, "told: share of its variance that a line reads from the code of new people; 0: nothing"])
