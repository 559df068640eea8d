"""What `prepare` needs from the rest: the recipe that params mean, and what there is to see of the result."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq

from pipeline import assets
from pipeline.datasets.building.build import Built
from pipeline.datasets.building.decide import KEPT, REASONS
from pipeline.datasets.building.parts import THUMBNAIL_SIZE, Recipe
from pipeline.datasets.faces import Cut
from pipeline.datasets.folders import visible
from pipeline.datasets.photographs.alignment import warp
from pipeline.datasets.photographs.cutting import Bounds
from pipeline.datasets.photographs.detection import yunet
from pipeline.judges.photographs import recogniser
from pipeline.params import Data

SHOWN = 8  # rejects of each reason
DETECTED = {"photos", "manifest"}  # the sources that do not always know where the face is


def recipe(data: Data) -> Recipe:
    """What workers need.

    Raises:
        AssetError: there are photographs, and a network that they need is missing or damaged.
    """
    unlabelled = Path(data.unlabelled)
    detected = DETECTED & set(data.source) or (unlabelled.is_dir() and visible(unlabelled))
    noise = data.identities.min_cosine > -1 and data.source != ("rendered",)
    return Recipe(
        Cut.of(data),
        Bounds(data.detection.min_face_pixels, **data.quality.model_dump()),
        partial(yunet, assets.locate("yunet").path.resolve(), data.detection.min_score) if detected else None,
        partial(recogniser, assets.locate("reidentification").path.resolve(), warp) if noise else None,
    )


def rejected(built: Built) -> dict[str, list[np.ndarray]]:
    """Reason and count -> a few of those that were turned down for it; grey where there is no picture."""
    shown: dict[str, list[np.ndarray]] = {}
    counts: dict[str, int] = {}
    for batch in pq.ParquetFile(built.folder / "rejects.parquet").iter_batches(columns=["reason"]):
        for reason in batch.column(0).to_pylist():
            counts[reason] = counts.get(reason, 0) + 1
    for n, name in enumerate(built.facts.parts):
        table = pq.read_table(built.parts / f"{name}.rejects", columns=["reason", "thumbnail"])
        for row in table.to_pylist():
            if len(images := shown.setdefault(row["reason"], [])) < SHOWN and row["thumbnail"]:
                images.append(_decoded(row["thumbnail"]))
        first = int(built.facts.starts[n])
        verdicts = built.decisions.verdict[first : int(built.facts.starts[n + 1])]
        _add_crops(built.parts / name, verdicts, shown)
    grey = np.full((THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3), 128, np.uint8)
    order = sorted(counts, key=lambda reason: (-counts[reason], reason))
    return {f"{reason}: {counts[reason]}": shown.get(reason) or [grey] for reason in order}


def _add_crops(part: Path, verdicts: np.ndarray, shown: dict[str, list[np.ndarray]]) -> None:
    """Faces that were cut, and turned down later."""
    wanted = [
        (int(row), images)
        for row in np.flatnonzero(verdicts != KEPT)
        if len(images := shown.setdefault(REASONS[verdicts[row]], [])) < SHOWN
    ]
    if not wanted:
        return
    places = pq.read_table(part.with_suffix(".parquet"), columns=["offset", "size"]).to_pylist()
    with part.with_suffix(".tar").open("rb") as tar:
        for row, images in wanted[: SHOWN * len(REASONS)]:
            tar.seek(places[row]["offset"])
            if len(images) < SHOWN:
                images.append(_decoded(tar.read(places[row]["size"])))


def _decoded(png: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None  # it was written by us, in this run
    return np.asarray(cv2.resize(image, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA))
