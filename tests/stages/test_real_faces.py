"""All of the real photographs: found or listed, recognised as published, and cut in use as they were for training."""

from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from torchmetrics.functional.classification import binary_auroc, binary_roc

from pipeline.applications.manifest import make
from pipeline.datasets.faces import Cut
from pipeline.datasets.photographs.alignment import warp
from pipeline.datasets.photographs.cutting import subject_face
from pipeline.datasets.photographs.detection import yunet
from pipeline.datasets.shards import Faces
from pipeline.judges.photographs import recogniser
from tests.datasets.building.projects import prepare, project

pytestmark = [pytest.mark.slow, pytest.mark.shared]
SIZE = 256


@pytest.fixture(scope="module")
def real(tmp_path_factory, shared_folder):
    """London and orl as people, congress as unlabelled faces."""
    folder = project(
        tmp_path_factory.mktemp("real"),
        source=["photos", "manifest"], photos=str(shared_folder / "faces/london"), image_size=SIZE, shard_images=128,
        unlabelled=str(shared_folder / "faces/congress"),
    )  # fmt: skip
    make([shared_folder / "faces/orl"], folder / "data/manifests/orl.parquet", celeba=False)
    code, said = prepare(folder, FACET_ASSETS=str(shared_folder / "models"))
    assert code == 0, said
    return folder


@pytest.fixture(scope="module")
def faces(real):
    return Faces(real / "data/faces")


def test_every_photograph_is_used_or_listed(faces, real):
    sources = [str(source).split("/")[0] for source in faces.column("source")]
    assert {name: sources.count(name) for name in set(sources)} == {"photos": 204, "manifest": 400, "unlabelled": 539}
    for listed in ("rejects", "copies"):
        assert pq.read_table(real / f"data/faces/{listed}.parquet").num_rows == 0


def test_what_is_known_of_the_people_comes_with_their_photographs(faces):
    known = [dict(row or ()) for row in faces.column("attributes")]
    ages = [row["face_age"] for row in known if "face_age" in row]
    assert len(ages) > 190  # of 204, london's; some did not say
    assert 18 <= min(ages) < max(ages) < 80
    assert sum("face_gender=female" in row for row in known) > 60


@pytest.mark.parametrize(
    ("source", "genuine", "impostor", "eer"), [("photos", 0.912, 0.035, 0.0), ("manifest", 0.842, 0.069, 0.0011)]
)
def test_people_are_told_apart_as_published(source, genuine, impostor, eer, faces, shared_folder):
    names = faces.column("identity")
    rows = np.array([row for row, name in enumerate(names) if name is not None and name.startswith(source)])
    recognise = recogniser(shared_folder / "models/face-reidentification-retail-0095.xml", warp)
    landmarks = faces.column("landmarks", rows).reshape(-1, 5, 2)
    features = np.stack([recognise(faces.image(int(r)), points) for r, points in zip(rows, landmarks, strict=True)])
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    cosines = features @ features.T
    first, second = np.triu_indices(len(rows), 1)
    same = names[rows][first] == names[rows][second]
    pairs = cosines[first, second]
    assert pairs[same].mean() == pytest.approx(genuine, abs=0.005)
    assert pairs[~same].mean() == pytest.approx(impostor, abs=0.005)
    told, truth = torch.from_numpy((pairs + 1) / 2), torch.from_numpy(same).long()
    assert float(binary_auroc(told, truth)) > 0.995
    false_alarms, hits, _ = binary_roc(told, truth)
    at = int((false_alarms - (1 - hits)).abs().argmin())
    assert float(false_alarms[at] + 1 - hits[at]) / 2 == pytest.approx(eer, abs=0.005)
    np.fill_diagonal(cosines, -2)
    assert (names[rows][cosines.argmax(axis=1)] == names[rows]).mean() > 0.995


def test_a_photograph_is_cut_in_use_as_it_was_for_training_byte_for_byte(faces, real, shared_folder):
    detect = yunet(shared_folder / "models/face_detection_yunet_2023mar.onnx", 0.7)
    sources = faces.column("source")
    for row in range(0, len(faces), 37):
        source, name = str(sources[row]).split("/", 1)
        place = {"photos": "faces/london", "unlabelled": "faces/congress"}.get(source)
        file = shared_folder / place / name if place else Path(real / "data/manifests" / name)
        used = subject_face(file, detect, Cut(SIZE, 0.0, "largest"))
        assert used.image.tobytes() == faces.image(row).tobytes(), file
