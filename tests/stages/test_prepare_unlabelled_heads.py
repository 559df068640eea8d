"""`prepare` on rendered heads of which some have no name: they come beside the others and change nothing of them."""

import json
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.protocol import protocol
from pipeline.datasets.shards import Faces
from tests.datasets.building.projects import RENDERED, content, prepare, project

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Without them, and with five."""
    place = tmp_path_factory.mktemp("projects")
    without, beside = project(place / "without"), project(place / "beside", rendered=RENDERED | {"unlabelled": 5})
    assert [prepare(folder)[0] for folder in (without, beside)] == [0, 0]
    return without, beside


def test_the_shards_of_the_others_are_the_same_bytes(folders: tuple[Path, Path]) -> None:
    without, beside = (
        {name: digest for name, digest in content(folder).items() if name.endswith(".tar")} for folder in folders
    )
    assert without
    assert without.items() <= beside.items()
    assert {name.rsplit("/", 1)[1] for name in beside.keys() - without} == {
        "unlabelled-00000.tar",
        "unlabelled-00001.tar",
    }


def test_nobody_is_named_and_nobody_new_is_counted(folders: tuple[Path, Path]) -> None:
    without, beside = (json.loads((folder / "results/prepare/metrics.json").read_text()) for folder in folders)
    changed = {name: value for name, value in beside.items() if not name.endswith("/median") and value != without[name]}
    assert changed == {"prepare/images": without["prepare/images"] + 5, "prepare/images/unlabelled": 5}
    faces = Faces(folders[1] / "data/faces")
    assert list(faces.column("identity", faces.of_split("unlabelled"))) == [None] * 5


def test_no_protocol_knows_them(folders: tuple[Path, Path]) -> None:
    for split in ("val", "test"):
        without, beside = (protocol(Faces(folder / "data/faces"), split, 1) for folder in folders)
        assert without.names == beside.names
        for part in ("gallery", "probes"):
            assert all(map(np.array_equal, getattr(without, part), getattr(beside, part)))
