"""`augment`: the train split's people in others' circumstances, as a folder that is read like any prepared one."""

import io
import json
import tarfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications import augmenting
from pipeline.applications.augmenting import augment
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.building.statistics import as_text, describe
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError
from tests.applications.projects import prepare_heads, prepare_images
from tests.applications.test_recombine import CUT, save_model
from tests.datasets.building.projects import prepare
from tests.datasets.building.projects import project as another_project

PEOPLE, OWN, EACH = 3, 2, 3


@pytest.fixture
def project(tmp_path, monkeypatch):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    prepare_heads(tmp_path, {"train": PEOPLE, "val": 1, "test": 1}, each=OWN)
    return tmp_path


@pytest.fixture
def made(project):
    augment(paths.FACES, EACH, 0, project / "more")
    return Faces(project / "more")


def test_every_person_of_the_train_split_and_nobody_else_has_as_many_faces(made):
    names, counts = np.unique(made.column("identity"), return_counts=True)
    assert names.tolist() == [f"train/{n}" for n in range(PEOPLE)]
    assert set(counts) == {EACH}
    assert len(made.of_split("train")) == len(made) == PEOPLE * EACH


def test_each_is_its_person_in_the_circumstances_of_another(made, project):
    model, faces = FaceSynthesizer(project / paths.MODEL), Faces(paths.FACES)
    place = {key: row for row, key in enumerate(faces.column("key"))}
    owner, split = faces.column("identity"), faces.column("split")
    for row, (name, sample) in enumerate(zip(made.column("identity"), made.column("sample_key"), strict=True)):
        sample_row = place[sample]
        assert owner[sample_row] != name
        assert split[sample_row] == "train"
        f_I = model.person(faces.images(np.flatnonzero(owner == name)))
        expected = model.synthesize(f_I, model.attributes(faces.images([sample_row])))[0]
        assert np.abs(made.image(row).astype(int) - expected).max() <= 1


def test_no_sample_is_drawn_twice_for_a_person_where_there_are_enough(made):
    samples = list(zip(made.column("identity"), made.column("sample_key"), strict=True))
    assert len(set(samples)) == len(samples)


def test_a_recogniser_trains_on_it_as_on_any_prepared_folder(made, project):
    batch = LabelledBatches(made, made.of_split("train"), 4, 0, None)[0]
    assert batch.x.shape == (4, 3, 32, 32)
    assert batch.c.max() < PEOPLE
    assert "train" in as_text(describe(project / "more"))


def test_everything_says_that_it_is_synthetic(made, project):
    assert pq.read_table(project / "more" / "index.parquet").column("synthetic").to_pylist() == [True] * PEOPLE * EACH
    with tarfile.open(project / "more" / "train-00000.tar") as tar:
        assert len(tar.getnames()) == 2 * PEOPLE * EACH
        assert json.load(tar.extractfile("synthetic000000004.json"))["synthetic"] is True
        with Image.open(io.BytesIO(tar.extractfile("synthetic000000004.png").read())) as picture:
            assert picture.text["Comment"].startswith("synthetic, made by Facet, model ")
    said = json.loads((project / "more.json").read_text())
    assert said["settings"] == {"images": EACH, "seed": 0, "split": "train"}


@pytest.mark.slow
@pytest.mark.shared
def test_prepare_reads_the_list_beside_it_and_leaves_each_crop_as_it_is(made, project, tmp_path, shared):
    data = {"source": ["rendered", "manifest"], "manifest": str(project / "more.parquet"), "margin": CUT["margin"]}
    small, alike = {"min_score": 0.7, "min_face_pixels": 8, "choose": "largest"}, {"near_bits": -1}
    new = another_project(tmp_path / "new", **data, detection=small, duplicates=alike)
    code, said = prepare(new, FACET_ASSETS=str(shared / "models"))
    assert code == 0, said
    read = Faces(new / paths.FACES)
    place = {source: row for row, source in enumerate(read.column("source"))}
    rows = pq.read_table(project / "more" / "index.parquet").to_pylist()
    assert sum(source.startswith("manifest/") for source in place) == len(rows)
    for i, row in enumerate(rows):
        found = place[f"manifest/more/{row['shard']}@{row['offset']}"]
        assert read.column("identity", [found])[0] == f"manifest/{row['identity'].split('/')[1]}"
        assert read.column("split", [found])[0] == "train"
        assert np.abs(read.image(found).astype(int) - made.image(i)).max() <= 1


def test_a_seed_gives_the_same_bytes_and_another_seed_others(made, project):
    augment(paths.FACES, EACH, 0, project / "again")
    augment(paths.FACES, EACH, 1, project / "other")
    shards = [(project / name / "train-00000.tar").read_bytes() for name in ("more", "again", "other")]
    assert shards[0] == shards[1] != shards[2]


def test_shards_are_filled_one_after_the_other(project, monkeypatch):
    monkeypatch.setattr(augmenting, "SHARD_IMAGES", 4)
    augment(paths.FACES, 4, 0, project / "more")
    made = Faces(project / "more")
    assert sorted(p.name for p in (project / "more").glob("*.tar")) == [f"train-0000{n}.tar" for n in range(3)]
    assert [made.image(row).shape for row in range(len(made))] == [(32, 32, 3)] * 12


@pytest.mark.parametrize(
    ("each", "seed", "said"), [(0, 0, "--images should be from 1"), (10**9, 0, "--images"), (1, -1, "--seed")]
)
def test_numbers_that_do_not_do_are_refused(project, each, seed, said):
    with pytest.raises(UserError, match=said):
        augment(paths.FACES, each, seed, project / "more")


def test_folders_that_do_not_do_are_refused_and_nothing_is_left(project):
    with pytest.raises(UserError, match="is there already"):
        augment(paths.FACES, EACH, 0, project / paths.FACES)
    (project / "mine.parquet").write_bytes(b"a list of photographs")
    with pytest.raises(UserError, match=r"mine\.parquet: is there already"):
        augment(paths.FACES, EACH, 0, project / "mine")
    assert (project / "mine.parquet").read_bytes() == b"a list of photographs"
    with pytest.raises(UserError, match="nobody: holds no prepared faces; name a folder"):
        augment(project / "nobody", EACH, 0, project / "more")
    prepare_images(project, np.zeros((2, 32, 32, 3), np.uint8), split=["train"] * 2, identity=["ada"] * 2)
    with pytest.raises(UserError, match="one person alone has nobody"):
        augment(paths.FACES, EACH, 0, project / "more")
    assert not list(project.glob("*more*"))


def test_its_help_has_an_example_and_says_that_results_are_marked(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["augment", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Example: python -m pipeline augment --images 20" in said
    assert "say that it is synthetic" in said
