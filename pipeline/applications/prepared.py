"""The prepared faces beside a model, for what a command has to know of many photographs."""

from pathlib import Path
from typing import TYPE_CHECKING

from pipeline import paths
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError

if TYPE_CHECKING:
    from pipeline.applications.synthesizer import FaceSynthesizer


def check_prepared(folder: Path, instead: str = "") -> None:
    """See that `prepare` or `augment` wrote this folder.

    Raises:
        UserError: it did not; `instead` says what does without.
    """
    if (folder / "index.parquet").exists():
        return
    if folder != paths.FACES:
        raise UserError(f"{folder}: holds no prepared faces; name a folder that `prepare` or `augment` wrote")
    raise UserError(
        f"{folder} is not there: {instead and f'{instead}, or '}make it with `dvc repro prepare`, or fetch it with "
        "`dvc pull` where a DVC remote has it"
    )


def prepared(model: "FaceSynthesizer", instead: str, folder: Path = paths.FACES) -> Faces:
    """What `prepare` made, cut as large as the model wants it.

    Raises:
        UserError: nothing is prepared, or of another size; `instead` says what does without.
    """
    check_prepared(folder, instead)
    faces = Faces(folder)
    size = faces.image(0).shape[0]
    if size != model.image_size:
        raise UserError(
            f"{folder} holds faces of {size} pixels and the model makes {model.image_size}: {instead}, or bring "
            "the folder that it was trained on back with `dvc checkout`"
        )
    return faces
