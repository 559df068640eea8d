"""What `prepare` needs from the rest: the recipe that params mean, and what there is to see of the result."""

from functools import partial
from pathlib import Path

import cv2
import numpy as np

from pipeline import assets
from pipeline.datasets.building.merge import Rejected
from pipeline.datasets.building.parts import THUMBNAIL_SIZE, Recipe
from pipeline.datasets.faces import Cut
from pipeline.datasets.folders import is_empty
from pipeline.datasets.photographs.alignment import warp
from pipeline.datasets.photographs.chain import Bounds
from pipeline.datasets.photographs.detection import yunet
from pipeline.judges.photographs import recogniser
from pipeline.params import Data

DETECTED = {"photos", "manifest"}  # the sources that do not always know where the face is


def recipe(data: Data) -> Recipe:
    """What workers need.

    Raises:
        AssetError: there are photographs, and a network that they need is missing or damaged.
    """
    detected = DETECTED & set(data.source) or not is_empty(Path(data.unlabelled))
    noise = data.identities.min_cosine > -1 and data.source != ("rendered",)
    return Recipe(
        Cut.of(data),
        Bounds(data.detection.min_face_pixels, **data.quality.model_dump()),
        partial(yunet, assets.locate("yunet").path.resolve(), data.detection.min_score) if detected else None,
        partial(recogniser, assets.locate("reidentification").path.resolve(), warp) if noise else None,
    )


def pictures(rejected: Rejected) -> dict[str, list[np.ndarray]]:
    """Reason and count -> a few of those that were turned down for it; grey where there is no picture."""
    grey = np.full((THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3), 128, np.uint8)
    order = sorted(rejected.counts.items(), key=lambda item: (-item[1], item[0]))
    return {
        f"{reason}: {count}": [_decoded(png) for png in rejected.pictures.get(reason, ())] or [grey]
        for reason, count in order
    }


def _decoded(png: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert image is not None  # it was written by us, in this run
    return np.asarray(cv2.resize(image, (THUMBNAIL_SIZE, THUMBNAIL_SIZE), interpolation=cv2.INTER_AREA))
