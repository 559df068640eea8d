"""`python -m pipeline recombine`: any two photographs, or two folders of them, through the trained model."""

import logging
from collections.abc import Callable
from pathlib import Path

import numpy as np

from pipeline import assets, paths
from pipeline.applications.face_model import FaceModel
from pipeline.datasets.contact_sheet import tiled, write_png
from pipeline.datasets.photographs.cutting import Unusable, subject_face
from pipeline.datasets.photographs.detection import yunet
from pipeline.errors import UserError

log = logging.getLogger(__name__)

MIN_SCORE = 0.6  # a person chose this photograph, so a less certain face is still the one that is meant
RENDERED = (
    "this model was trained on rendered heads and does badly on photographs; for those, put a folder of photographs "
    "for each of many people under data/photos and run `dvc repro -f` with `data.source: photos`"
)


def recombine(subjects: Path, samples: Path, out: Path) -> None:
    """Write the recombination of two photographs, or the grid of two folders, as one PNG.

    Raises:
        UserError: a file cannot be read, shows no face, or the model is missing.
    """
    if out.suffix.lower() != ".png":
        raise UserError(f"{out}: the result is a PNG; let --out end in .png")
    model = FaceModel(paths.MODEL)
    if model.source == "rendered":
        log.warning("note: %s", RENDERED)
    detect = yunet(assets.locate("yunet").path, MIN_SCORE)

    def face(path: Path) -> np.ndarray:
        try:
            face = subject_face(path, detect, model.cut)
        except Unusable as error:
            raise UserError(f"{path}: {error.detail}; choose another photograph, with one large face") from None
        if face.faces and face.faces > 1:
            log.warning("note: %s: %d faces were found, the %s one is used", path, face.faces, model.cut.choose)
        return face.image

    single = subjects.is_file() and samples.is_file()
    x_s, x_a = _faces(subjects, face), _faces(samples, face)
    image = model.recombine(x_s, x_a)[0] if single else tiled(model.grid(x_s, x_a))
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        write_png(out, image)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None


def _faces(place: Path, face: Callable[[Path], np.ndarray]) -> np.ndarray:
    """The faces of a file or of all files of a folder; in a folder, one without a face is passed over, and said."""
    if not place.is_dir():
        return face(place)[None]
    found = []
    for path in sorted(p for p in place.iterdir() if p.is_file() and not p.name.startswith(".")):
        try:
            found.append(face(path))
        except UserError as error:
            log.warning("passed over: %s", error)
    if not found:
        raise UserError(f"{place}: no face was found in any file of this folder; name one with photographs of faces")
    return np.stack(found)
