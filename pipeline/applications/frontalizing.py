"""`python -m pipeline frontalize`: photographs of a person in any pose, as the frontal, neutral view."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.applications import deliveries, marks
from pipeline.applications.evaluation.uses import FRONTAL
from pipeline.applications.judging import known_attributes
from pipeline.applications.portraits import Portraits, check_named
from pipeline.applications.prepared import prepared
from pipeline.applications.recombine import opened
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError

MEANT = 256  # frontal faces whose z is averaged, at most; more change nothing that can be seen


class Fronts(NamedTuple):
    """A person seen from the front, uint8."""

    each: np.ndarray  # [B, S, S, 3] by each photograph alone
    together: np.ndarray  # [S, S, 3] by all of them


def frontalize(subject: Sequence[Path], template: Path | None, out: Path) -> dict[str, Any]:
    """Write the frontal view by each photograph, and by all: a picture, or a folder of all.

    Args:
        subject: photographs of one person.
        template: a photograph that gives all but the person; None: the mean of frontal prepared faces.
        out: ends in .png, is `-`, or a folder.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a photograph shows no face, the model is missing, or nothing says what the front is.
    """
    deliveries.picture_or_folder(out)
    check_named([*subject, *([template] if template else [])], out)
    model = opened()
    portraits = Portraits(model.cut)
    if template is None:
        z = frontal_code(model, prepared(model, "name a frontal photograph with --template"))
    else:
        z = model.attributes(portraits.of(template).face.image[None])
    shown = [(portrait.name, portrait.face.image) for portrait in portraits.each(subject)]
    names, images = [name for name, _ in shown], np.stack([image for _, image in shown])
    fronts = frontal(model, images, z)
    inputs = {"subject": names, "template": str(template) if template else "mean of frontal faces of the val split"}
    made = {"out": str(out), "model": model.fingerprint, "inputs": inputs}
    _deliver(out, names, images, fronts, made)
    return made


def frontal(model: FaceSynthesizer, images: np.ndarray, z: np.ndarray) -> Fronts:
    """One person's aligned photographs, uint8 [B, S, S, 3], with the z of the front, [1, d]."""
    f_I = np.concatenate([model.identity(images), model.person(images)])
    faces = model.synthesize(f_I, np.repeat(z, len(f_I), axis=0))
    return Fronts(faces[:-1], faces[-1])


def frontal_code(model: FaceSynthesizer, faces: Faces) -> np.ndarray:
    """The mean z, [1, d], of frontal faces of the val split, as `evaluate` has it.

    Raises:
        UserError: none of them is frontal.
    """
    rows = faces.of_split("val")
    known = known_attributes(faces, rows)
    yaw = known["yaw"] if known else faces.column("yaw", rows).astype(float)
    front = rows[np.abs(np.nan_to_num(yaw, nan=90.0)) <= FRONTAL]
    if not len(front):
        raise UserError(f"{faces.folder} has no frontal face in its val split: name a photograph with --template")
    chosen = front[np.unique(np.linspace(0, len(front) - 1, MEANT).astype(int))]
    return model.attributes(faces.images(chosen)).mean(axis=0, keepdims=True)


def sheet(images: np.ndarray, fronts: Fronts) -> np.ndarray:
    """Photographs above what they give alone; last, below nothing, what they give together."""
    above = [*images, np.full_like(images[0], 255)]
    return tiled([above, [*fronts.each, fronts.together]])


def _deliver(out: Path, names: list[str], images: np.ndarray, fronts: Fronts, made: dict[str, Any]) -> None:
    picture = fronts.together if len(images) == 1 else sheet(images, fronts)
    content = marks.png(picture, made["model"])
    if deliveries.is_picture(out):
        return deliveries.file(out, content, made)
    with deliveries.folder(out, made) as part:
        (part / "sheet.png").write_bytes(content)
        (part / "together.png").write_bytes(marks.png(fronts.together, made["model"]))
        for number, (name, front) in enumerate(zip(names, fronts.each, strict=True)):
            (part / f"{number:03d}_{Path(name).stem}.png").write_bytes(marks.png(front, made["model"]))
    return None
