"""One run of `prepare` on photographs as they should not be handed over, for all that looks at its result."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.shards import Faces
from tests.datasets.building.projects import prepare, project
from tests.stages.crowd import SHARES, Crowd

NEAR_BITS = 14


class Result(NamedTuple):
    project: Path
    crowd: Crowd
    said: str
    used: dict[str, dict[str, Any]]  # source -> row of the index
    rejects: dict[str, tuple[str, str]]  # source -> reason and detail
    copies: list[dict[str, Any]]
    metrics: dict[str, float]
    before: dict[str, str]  # what was given, before the stage ran

    @property
    def faces(self) -> Path:
        return self.project / "data/faces"

    def crop(self, source: str) -> np.ndarray:
        return Faces(self.faces).image(list(self.used).index(source))


def fingerprints(folder: Path) -> dict[str, str]:
    """File -> sha256, or where the link leads; nothing is said of pipes."""
    found = {}
    for place, _, names in os.walk(folder):
        for path in (os.path.join(place, name) for name in names):
            if os.path.islink(path):
                found[path] = os.readlink(path)
            elif os.path.isfile(path):
                found[path] = hashlib.sha256(Path(path).read_bytes()).hexdigest()
    return found


@pytest.fixture(scope="session")
def models(shared_folder: Path) -> Path:
    return shared_folder / "models"


@pytest.fixture(scope="session")
def result(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The stage, run once."""
    place = tmp_path_factory.mktemp("crowd")
    crowd = Crowd(place, models.parent)
    before = fingerprints(place)
    folder = project(
        place / "project", source="photos", photos=str(crowd.folder), unlabelled=str(crowd.unlabelled), shares=SHARES,
        image_size=64, shard_images=8, duplicates={"near_bits": NEAR_BITS},
    )  # fmt: skip
    code, said = prepare(
        folder, FACET_ASSETS=str(models), FACET_SCHEDULER="", FACET_WORK="", WANDB_MODE="offline", FACET_WORKERS="2"
    )
    assert code == 0, said
    faces = folder / "data/faces"
    rejects = pq.read_table(faces / "rejects.parquet").to_pylist()
    return Result(
        folder,
        crowd,
        said,
        {row["source"]: row for row in pq.read_table(faces / "index.parquet").to_pylist()},
        {row["source"]: (row["reason"], row["detail"]) for row in rejects},
        pq.read_table(faces / "copies.parquet").to_pylist(),
        json.loads((folder / "results/prepare/metrics.json").read_text()),
        before,
    )
