"""`python -m pipeline recombine`: a person by one or several photographs, or folders of people, through the model."""

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import paths
from pipeline.applications import deliveries, marks
from pipeline.applications.pasting import paste
from pipeline.applications.portraits import STDIN, Portrait, Portraits, check_named, stacked
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.photographs.decoding import MAX_PIXELS
from pipeline.errors import UserError

log = logging.getLogger(__name__)

GAP = 2  # pixels between the faces of a grid

RENDERED = (
    "this model was trained on rendered heads and does badly on photographs; for those, put a folder of photographs "
    "for each of many people under data/photos and run `dvc repro -f` with `data.source: photos`"
)


def opened(folder: Path = paths.MODEL) -> FaceSynthesizer:
    """The trained model, with a word on what it was not trained for."""
    model = FaceSynthesizer(folder)
    if model.source == "rendered":
        log.warning("note: %s", RENDERED)
    return model


def recombine(subject: Sequence[Path], sample: Path, out: Path, whole: bool = False) -> dict[str, Any]:
    """Write one PNG: the person of one or several photographs as the sample shows another.

    Args:
        subject: photographs of one person.
        sample: photograph that gives all else.
        out: the PNG.
        whole: the sample's whole photograph, with the made face in it, rather than the face alone.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a file cannot be read, shows no face, or the model is missing.
    """
    if out != STDIN and out.suffix.lower() != ".png":
        raise UserError(f"{out}: the result is a PNG; let --out end in .png")
    check_named([*subject, sample], out)
    model = opened()
    portraits = Portraits(model.cut)
    x_s = list(portraits.each(subject))
    photograph, x_a = portraits.within(sample)
    image = model.synthesize(model.person(stacked(x_s)), model.attributes(stacked([x_a])))[0]
    said: dict[str, Any] = {"settings": {"paste": whole}, "subject": _names(x_s), "sample": [x_a.name]}
    if not whole:
        return delivered(out, image, model, **said)
    return delivered(out, _pasted(photograph, x_a, image, model), model, marks.PASTED, **said)


def paste_all(subject: Sequence[Path], samples: Path, out: Path) -> dict[str, Any]:
    """Write a folder of whole photographs, those of `samples`, each with one person's face in it.

    Args:
        subject: photographs of one person.
        samples: a folder of photographs that give all else; one of them is in memory at a time.
        out: a folder that is new or empty.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a photograph shows no face, the model is missing, or the place does not do.
    """
    if deliveries.is_picture(out):
        raise UserError(f"{out}: several photographs do not go into one; name a folder with --out")
    deliveries.picture_or_folder(out)
    check_named([*subject, samples])
    model = opened()
    portraits = Portraits(model.cut)
    x_s = list(portraits.each(subject))
    f_I = model.person(stacked(x_s))
    pasted: list[str] = []
    inputs = {"subject": _names(x_s), "sample": pasted}
    said = {"out": str(out), "model": model.fingerprint, "inputs": inputs, "settings": {"paste": True}}
    with deliveries.folder(out, said) as part:
        for photograph, x_a in portraits.each_within(samples):
            image = model.synthesize(f_I, model.attributes(stacked([x_a])))[0]
            whole = _pasted(photograph, x_a, image, model)
            file = part / f"{Path(x_a.name).stem}.png"
            if file.exists():  # two names may differ in their endings alone
                file = part / f"{Path(x_a.name).name}.png"
            file.write_bytes(marks.png(whole, model.fingerprint, marks.PASTED))
            pasted.append(x_a.name)
    return said


def recombine_all(subjects: Path | Sequence[Path], samples: Path, out: Path) -> dict[str, Any]:
    """Every person with every sample of a folder (or file), as a grid, or each in a folder with the grid.

    Args:
        subjects: a folder (or file) of photographs, each of another person; several: of one person.
        samples: photographs that give all else.
        out: ends in .png or is `-` for the grid alone; else a folder that is new or empty.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a photograph shows no face, the model is missing, or the place does not do.
    """
    deliveries.picture_or_folder(out)
    named = [subjects] if isinstance(subjects, Path) else subjects
    check_named([*named, samples], out)
    model = opened()
    portraits = Portraits(model.cut)
    x_s, x_a = (list(portraits.each(places)) for places in (named, [samples]))
    inputs = {"subject": _names(x_s), "sample": _names(x_a)}
    if isinstance(subjects, Path):
        f_I, people = model.identity(stacked(x_s)), inputs["subject"]
    else:
        f_I, people = model.person(stacked(x_s)), [str(subjects[0])]
    x_s = x_s[: len(f_I)]  # a row begins with its person, or with the first of the person's photographs
    z = model.attributes(stacked(x_a))
    made = (model.synthesize(np.repeat(one[None], len(z), axis=0), z) for one in f_I)  # a person at a time
    blank = np.full_like(x_s[0].face.image, 255)
    rows, reason = [[blank, *stacked(x_a)]], _too_large(model.image_size, len(x_s), len(x_a))
    if deliveries.is_picture(out):
        if reason:
            raise UserError(f"{out}: {reason}; name a folder with --out, which gets the faces without it")
        rows += [[person.face.image, *row] for person, row in zip(x_s, made, strict=True)]
        return delivered(out, tiled(rows, GAP), model, subject=inputs["subject"], sample=inputs["sample"])
    said = {"out": str(out), "model": model.fingerprint, "inputs": inputs}
    names = iter(_files(people, inputs["sample"]))
    with deliveries.folder(out, said) as part:
        for person, row in zip(x_s, made, strict=True):
            for image in row:
                (part / next(names)).write_bytes(marks.png(image, model.fingerprint))
            if not reason:
                rows.append([person.face.image, *row])
        if reason:
            log.warning("note: %s: %s, so it is left out", out, reason)
        else:
            (part / "grid.png").write_bytes(marks.png(tiled(rows, GAP), model.fingerprint))
    return said


def _too_large(image_size: int, subjects: int, samples: int) -> str | None:
    """What hinders a grid of so many; None where nothing does."""
    pixels = (subjects + 1) * (samples + 1) * (image_size + GAP) ** 2
    if pixels <= MAX_PIXELS:
        return None
    return (
        f"the grid of {subjects} by {samples} faces would have {pixels // 10**6} million pixels "
        f"(at most {MAX_PIXELS // 10**6})"
    )


def delivered(
    out: Path,
    image: np.ndarray,
    model: FaceSynthesizer,
    source_type: str = marks.MADE,
    settings: Mapping[str, Any] | None = None,
    **inputs: Any,
) -> dict[str, Any]:
    """A picture written with its marks and its sidecar, or to standard output; what the sidecar says."""
    made: dict[str, Any] = {"out": str(out), "model": model.fingerprint, "inputs": inputs}
    if settings:
        made["settings"] = dict(settings)
    deliveries.file(out, marks.png(image, model.fingerprint, source_type), made)
    return made


def _names(portraits: Iterable[Portrait]) -> list[str]:
    return [portrait.name for portrait in portraits]


def _pasted(photograph: np.ndarray, x_a: Portrait, image: np.ndarray, model: FaceSynthesizer) -> np.ndarray:
    face = x_a.face
    if face.points is None:
        raise ValueError("a portrait's face should have its points in the photograph")
    return paste(photograph, face.points, face.image, image, model.cut.margin)


def _files(people: Sequence[str], samples: Sequence[str]) -> list[str]:
    """SUBJECT_SAMPLE.png of each with each, numbered where two would have the same name."""
    names = [f"{Path(s).stem}_{Path(a).stem}.png" for s, a in product(people, samples)]
    alike = len({name.lower() for name in names}) < len(names)  # some disks know no capitals
    return [f"{number:04d}_{name}" for number, name in enumerate(names)] if alike else names
