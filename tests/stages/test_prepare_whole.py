"""`prepare` on photographs as they should not be handed over: what holds of the whole that it makes of them."""

import hashlib
import itertools
import os
import signal
import subprocess
import sys
from collections import Counter
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import PROTECTED
from tests.conftest import ROOT
from tests.stages.conftest import NEAR_BITS, Result, fingerprints
from tests.stages.crowd import TEST, TRAIN, VAL

pytestmark = [pytest.mark.slow, pytest.mark.shared]


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


def test_who_has_read_enough_of_it_ends_it_without_a_traceback(result: Result) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "inspect", "data/faces"], cwd=result.project, stdout=writing,
        stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )  # fmt: skip
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + signal.SIGPIPE, "")


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
