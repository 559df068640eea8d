"""The prepared faces beside a model, for what a command has to know of many photographs."""

from pathlib import Path

from pipeline import paths
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError


def prepared(model: FaceSynthesizer, instead: str, folder: Path = paths.FACES) -> Faces:
    """What `prepare` made, cut as large as the model wants it.

    Raises:
        UserError: nothing is prepared, or of another size; `instead` says what does without.
    """
    if not (folder / "index.parquet").exists():
        raise UserError(f"{folder} is not there: {instead}, or make it with `dvc repro prepare` or `dvc pull`")
    faces = Faces(folder)
    size = faces.image(0).shape[0]
    if size != model.image_size:
        raise UserError(
            f"{folder} holds faces of {size} pixels and the model makes {model.image_size}: {instead}, or bring "
            "the folder that it was trained on back with `dvc checkout`"
        )
    return faces
