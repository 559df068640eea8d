"""`prepare` on a folder of people as it should not be handed over: one run, and all that should hold of its result."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from pipeline.datasets.faces import Cut
from pipeline.datasets.photographs.cutting import subject_face
from pipeline.datasets.photographs.detection import yunet
from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import PROTECTED
from tests.conftest import ROOT, unavailable
from tests.datasets.building.projects import prepare, project
from tests.stages.crowd import SHARES, TEST, TRAIN, VAL, Crowd

pytestmark = [pytest.mark.slow, pytest.mark.shared]

NEAR_BITS = 14
SHARD_IMAGES = 8


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


@pytest.fixture(scope="module")
def models() -> Path:
    shared = Path(os.environ.get("FACET_SHARED") or ROOT.parent / "shared").resolve()
    if not shared.is_dir():
        unavailable("shared", f"{shared} is not here; FACET_SHARED can name another")
    return shared / "models"


@pytest.fixture(scope="module")
def result(models: Path, tmp_path_factory: pytest.TempPathFactory) -> Result:
    """The stage, run once."""
    place = tmp_path_factory.mktemp("crowd")
    crowd = Crowd(place, models.parent)
    before = fingerprints(place)
    folder = project(
        place / "project", source="photos", photos=str(crowd.folder), unlabelled=str(crowd.unlabelled), shares=SHARES,
        image_size=64, shard_images=SHARD_IMAGES, duplicates={"near_bits": NEAR_BITS},
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


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gina/zero.jpg", "empty"),
        ("gina/truncated.jpg", "damaged"),
        ("gina/text.jpg", "not_an_image"),
        ("gina/huge.png", "too_large"),
        ("gina/plain.png", "no_face"),
        ("gina/pipe.jpg", "not_an_image"),
        ("gina/holiday", "folder_in_a_person_folder"),
        ("gina/ring", "folder_in_a_person_folder"),
        ("gina/leaves.jpg", "outside"),
        ("gina/self.jpg", "unreadable"),
        ("gina/there.jpg", "unreadable"),
        ("gina/back.jpg", "unreadable"),
        ("gina/dangling.jpg", "unreadable"),
        ("loose.jpg", "not_in_a_person_folder"),
        ("una/alone.jpg", "few_images"),
    ],
)
def test_what_gives_no_face_is_listed_with_its_reason(result: Result, name: str, reason: str) -> None:
    assert result.rejects[f"photos/{name}"][0] == reason
    assert result.rejects[f"photos/{name}"][1]
    assert f"photos/{name}" not in result.used


def test_one_bad_file_does_not_cost_the_person_the_good_ones(result: Result) -> None:
    assert {name for name in result.used if name.startswith("photos/gina/")} == {
        "photos/gina/neutral.jpg",
        "photos/gina/smiling.jpg",
    }


@pytest.mark.parametrize(
    "name", ["jpeg.png", "two\nlines.jpg", 'it\'s "quoted", so.jpg', "  spaces  .jpg", "caf\\xe9.jpg"]
)
def test_whatever_a_photograph_is_called_it_is_used(result: Result, name: str) -> None:
    row = result.used[f"photos/hugo/{name}"]
    assert row["identity"] == "photos/hugo"
    assert row["source"].encode("utf-8")  # no surrogates
    file = os.fsencode(result.crowd.folder / "hugo") + b"/" + name.encode().replace(rb"\xe9", b"\xe9")
    assert row["source_sha256"] == hashlib.sha256(Path(os.fsdecode(file)).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ['O\'Brien\n"Bo"', "Ren\\xe9"])
def test_whatever_a_person_is_called_they_are_used(result: Result, name: str) -> None:
    for picture in ("neutral.jpg", "smiling.jpg"):
        assert result.used[f"photos/{name}/{picture}"]["identity"] == f"photos/{name}"


def test_a_copy_within_a_person_goes_and_the_first_stays(result: Result) -> None:
    assert result.rejects["photos/kim/z exact.jpg"] == ("copy", "the same file as photos/kim/neutral.jpg")
    assert result.rejects["photos/kim/z again.jpg"] == ("copy", "nearly the same picture as photos/kim/smiling.jpg")
    assert {"photos/kim/neutral.jpg", "photos/kim/smiling.jpg"} <= set(result.used)


@pytest.mark.parametrize(
    ("copy", "how", "original"),
    [
        ("ola/z exact.jpg", "the same file as", "ada/neutral.jpg"),
        ("ola/z again.jpg", "nearly the same picture as", "bob/smiling.jpg"),
        ("carl/z again.jpg", "nearly the same picture as", "emma/smiling.jpg"),
    ],
)
def test_a_copy_in_another_split_goes_from_the_less_protected_one(
    result: Result, copy: str, how: str, original: str
) -> None:
    reason, detail = result.rejects[f"photos/{copy}"]
    assert reason == "copy_across_splits"
    assert detail.startswith(f"{how} photos/{original}")
    assert f"photos/{original}" in result.used


def test_a_photograph_of_two_people_of_a_split_stays_with_both_and_is_listed(result: Result) -> None:
    one, other = "photos/ron/z party.jpg", "photos/sue/z party.jpg"
    assert {one, other} <= set(result.used)
    told = {(row["source"], row["copy_of"], row["copy_of_identity"], row["exact"]) for row in result.copies}
    assert told == {(one, other, "photos/sue", True), (other, one, "photos/ron", True)}


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned.jpg"])
def test_however_a_photograph_is_stored_its_crop_is_the_same(result: Result, models: Path, name: str) -> None:
    detect = yunet(models / "face_detection_yunet_2023mar.onnx", 0.7)
    expected = subject_face(result.crowd.originals[name], detect, Cut(64, 0.0, "largest")).image
    crop = result.crop(f"photos/quin/{name}")
    # In levels of 255. Four inks hold a little less colour; turning moves the landmarks by parts of a pixel.
    assert np.abs(crop.astype(float) - expected).mean() < 4
    for turns in (1, 2, 3):
        assert np.abs(np.rot90(crop, turns).astype(float) - expected).mean() > 20


def test_a_grey_photograph_gives_a_grey_crop(result: Result) -> None:
    crop = result.crop("photos/quin/grey.jpg").astype(int)
    assert np.ptp(crop, axis=2).max() == 0
    assert np.ptp(crop) > 100


def test_an_archive_is_read_as_far_as_it_goes_and_nothing_of_it_is_written(result: Result) -> None:
    assert result.rejects["unlabelled/cut.tar"][0] == "damaged"
    unlabelled = {name for name, row in result.used.items() if row["split"] == "unlabelled"}
    members = {"cut.tar/first.jpg", "evil.tar/../../evil.jpg", "evil.tar/good.jpg", "loose.jpg"}
    assert unlabelled == {f"unlabelled/{name}" for name in members}
    assert not any("evil.jpg" in files for _, _, files in os.walk(result.project.parent))


def test_every_file_is_used_or_listed_exactly_once(result: Result) -> None:
    names = [name for table in ("index", "rejects") for name in column(result, table, "source")]
    assert sorted(names) == result.crowd.sources()


def column(result: Result, table: str, name: str) -> list[Any]:
    return pq.read_table(result.faces / f"{table}.parquet").column(name).to_pylist()


def test_people_are_where_their_names_put_them(result: Result) -> None:
    found: dict[str, set[str]] = {}
    for row in result.used.values():
        if row["identity"]:
            found.setdefault(row["split"], set()).add(row["identity"].removeprefix("photos/"))
    spelled = {name: {os.fsencode(n).decode("utf-8", "backslashreplace") for n in people}
               for name, people in {"train": TRAIN, "val": VAL, "test": TEST}.items()}  # fmt: skip
    assert found == spelled


@pytest.mark.parametrize("name", ["identity", "source_sha256"])
def test_no_person_and_no_file_is_in_two_splits(result: Result, name: str) -> None:
    splits: dict[str, set[str]] = {}
    for row in result.used.values():
        if row[name] is not None:
            splits.setdefault(row[name], set()).add(row["split"])
    assert splits
    assert all(len(of) == 1 for of in splits.values())


def test_no_near_copy_is_in_two_splits(result: Result) -> None:
    rows = list(result.used.values())
    bits = np.unpackbits(np.array([np.frombuffer(row["hash"], np.uint8) for row in rows]), axis=1).astype(int)
    for i, j in itertools.combinations(range(len(rows)), 2):
        near = int(np.abs(bits[i] - bits[j]).sum()) <= NEAR_BITS
        assert not near or rows[i]["split"] == rows[j]["split"], (rows[i]["source"], rows[j]["source"])


def test_the_numbers_agree_with_the_tables(result: Result) -> None:
    rows, numbers = list(result.used.values()), result.metrics
    assert numbers["prepare/images"] == len(rows)
    assert numbers["prepare/people"] == len({row["identity"] for row in rows} - {None})
    for split in PROTECTED:
        own = [row for row in rows if row["split"] == split]
        assert numbers[f"prepare/images/{split}"] == len(own)
        assert numbers[f"prepare/people/{split}"] == len({row["identity"] for row in own} - {None})
    reasons = Counter(reason for reason, _ in result.rejects.values())
    assert numbers["prepare/rejects"] == reasons.total()
    told = {key.removeprefix("prepare/rejects/"): n for key, n in numbers.items() if key.startswith("prepare/rejects/")}
    assert told == reasons
    assert numbers["prepare/copies_across_people"] == len(result.copies)


def test_inspect_tells_the_same(result: Result) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "inspect", "data/faces"], cwd=result.project, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    lines = [line.split() for line in done.stdout.splitlines()]
    for split in ("train", "val", "test"):
        counts = [str(int(result.metrics[f"prepare/{what}/{split}"])) for what in ("images", "people")]
        assert [split, *counts] in lines
    for reason, count in Counter(reason for reason, _ in result.rejects.values()).items():
        assert [reason, str(count)] in lines


@pytest.mark.filterwarnings("ignore::ResourceWarning")  # it leaves the shards to the garbage collector
def test_webdataset_reads_the_shards_as_they_are(result: Result) -> None:
    shards = list(dict.fromkeys(row["shard"] for row in result.used.values()))
    assert sorted(shards) == sorted(path.name for path in result.faces.glob("*.tar"))
    urls = [str(result.faces / name) for name in shards]
    samples = list(webdataset.WebDataset(urls, shardshuffle=False).decode("rgb8"))
    assert [sample["__key__"] for sample in samples] == [row["key"] for row in result.used.values()]
    images = Faces(result.faces).images(range(len(samples)))
    for sample, image, row in zip(samples, images, result.used.values(), strict=True):
        assert np.array_equal(sample["png"], image)
        assert {name: sample["json"][name] for name in ("identity", "split", "source")} == {
            name: row[name] for name in ("identity", "split", "source")
        }


def test_the_index_has_the_hash_of_every_image(result: Result) -> None:
    for row in result.used.values():
        with (result.faces / row["shard"]).open("rb") as shard:
            shard.seek(row["offset"])
            assert hashlib.sha256(shard.read(row["size"])).hexdigest() == row["sha256"]


@pytest.mark.parametrize("name", ["accepted.png", "rejected.png"])
def test_there_is_a_picture_of_it(result: Result, name: str) -> None:
    image = cv2.imread(str(result.project / "results/prepare" / name))
    assert image is not None
    assert image.std() > 10


def test_what_was_given_is_as_it_was_and_nothing_is_left_over(result: Result) -> None:
    here = str(result.project)
    now = {path: what for path, what in fingerprints(result.project.parent).items() if not path.startswith(here)}
    assert now == result.before
    assert not list((result.project / ".facet").rglob("*.parquet"))
    assert {entry.name for entry in (result.project / "data").iterdir()} == {
        "faces", "photos", "manifests", "recordio", "unlabelled"
    }  # fmt: skip


def test_nothing_alarming_is_said(result: Result) -> None:
    for word in ("Traceback", "Error", "Warning"):
        assert word not in result.said
