"""Data sets as they are handed out, each in a small one of exactly that format, through the whole stage."""

import shutil
from pathlib import Path

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest

from pipeline.applications.manifest import make
from pipeline.datasets import heads
from pipeline.datasets.shards import Faces
from tests.datasets.building.projects import prepare, project
from tests.datasets.sources.test_recordio import files, payload

pytestmark = pytest.mark.slow
SHARES = {"train": 0.2, "judge": 0.0, "val": 0.3, "test": 0.5}


def jpeg(identity: np.ndarray, rng: np.random.Generator) -> bytes:
    image = heads.render(identity, heads.sample_attributes(rng), 112).image
    return cv2.imencode(".jpg", image[..., ::-1])[1].tobytes()


def test_recordio_needs_no_detector_and_keeps_its_labels(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    people = [heads.sample_identity(rng) for _ in range(20)]
    labels = [label for label in range(20) for _ in range(3)]
    records = {0: payload([61, 81], b"")}
    records |= {key: payload(float(label), jpeg(people[label], rng), key) for key, label in enumerate(labels, 1)}
    records |= {61 + label: payload([1.0 + 3 * label, 4.0 + 3 * label], b"") for label in range(20)}
    folder = project(tmp_path / "project", source="recordio", image_size=64, shares=SHARES)
    for name, data in files(records).items():
        (folder / "data/recordio" / name).write_bytes(data)
    (tmp_path / "empty").mkdir()
    nothing = str(tmp_path / "empty")
    code, said = prepare(folder, FACET_ASSETS=nothing, HOME=nothing, XDG_CACHE_HOME=nothing)
    assert code == 0, said
    faces = Faces(folder / "data/faces")
    rejects = pq.read_table(folder / "data/faces/rejects.parquet").to_pylist()
    assert len(faces) + len(rejects) == 60
    assert {r["reason"] for r in rejects} <= {"copy", "copy_across_splits", "few_images"}
    for source, identity in zip(faces.column("source"), faces.column("identity"), strict=True):
        assert identity == f"recordio/{labels[int(source.split('/')[1]) - 1]}"
    # ArcFace's eyes, in our frame.
    eyes = faces.column("landmarks").reshape(-1, 5, 2)[:, :2]
    assert np.abs(eyes[:, :, 1] - 0.415 * 64).max() < 2


@pytest.fixture
def portraits(shared: Path) -> list[list[Path]]:
    """Two photographs of each of sixteen people."""
    people = sorted(p for p in (shared / "faces/london").iterdir() if p.is_dir())[:16]
    return [sorted(p.glob("*.jpg")) for p in people]


@pytest.mark.shared
def test_lfw_is_a_folder_for_each_person(portraits: list[list[Path]], shared: Path, tmp_path: Path) -> None:
    folder = project(tmp_path, source="photos", image_size=64, shares=SHARES)
    for n, photographs in enumerate(portraits):
        name = f"Person_Number_{n}"
        (folder / "data/photos" / name).mkdir()
        for i, photograph in enumerate(photographs, 1):
            shutil.copy(photograph, folder / f"data/photos/{name}/{name}_{i:04d}.jpg")
    code, said = prepare(folder, FACET_ASSETS=str(shared / "models"))
    assert code == 0, said
    faces = Faces(folder / "data/faces")
    assert len(faces) == 32
    assert "photos/Person_Number_7/Person_Number_7_0002.jpg" in set(faces.column("source"))


@pytest.mark.shared
def test_celeba_goes_in_by_its_own_lists(portraits: list[list[Path]], shared: Path, tmp_path: Path) -> None:
    celeba = tmp_path / "celeba"
    (celeba / "img_celeba").mkdir(parents=True)
    identities, attributes = [], ["32", "Smiling Young"]
    for n, photograph in enumerate([p for both in portraits for p in both], 1):
        name = f"{n:06d}.jpg"
        shutil.copy(photograph, celeba / "img_celeba" / name)
        identities.append(f"{name} {2880 + (n - 1) // 2}")
        attributes.append(f"{name} {1 if photograph.stem == 'smiling' else -1:2d}  1")
    (celeba / "identity_CelebA.txt").write_text("\n".join(identities) + "\n")
    (celeba / "list_attr_celeba.txt").write_text("\n".join(attributes) + "\n")
    folder = project(tmp_path / "project", source="manifest", image_size=64, shares=SHARES)
    make([celeba], folder / "data/manifests/celeba.parquet", celeba=True)
    code, said = prepare(folder, FACET_ASSETS=str(shared / "models"))
    assert code == 0, said
    faces = Faces(folder / "data/faces")
    assert len(faces) == 32
    assert set(faces.column("identity")) == {f"manifest/{2880 + n}" for n in range(16)}
    known = pq.read_table(folder / "data/faces/index.parquet", columns=["source", "attributes"]).to_pylist()
    for row in known:
        smiling = int(row["source"][-10:-4]) % 2 == 0  # neutral comes first
        assert dict(row["attributes"]) == {"smiling": float(smiling), "young": 1.0}
