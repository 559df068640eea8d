"""`evaluate-folder` on real photographs, whose swaps are known, and each mistake a person can make with it."""

import csv
import json
import os
import subprocess
import sys

import numpy as np
import pyarrow.parquet as pq
import pytest
from PIL import Image

from tests.conftest import ROOT


def run(top, *arguments, assets=None):
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(top)}
    env |= {"FACET_ASSETS": str(assets)} if assets else {}
    command = [sys.executable, "-m", "pipeline", "evaluate-folder", *map(str, arguments)]
    return subprocess.run(command, cwd=top, env=env, capture_output=True, text=True, check=False)


def write(path, rows, columns=("subject", "sample", "output")):
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([columns, *rows])
    return path


@pytest.fixture(scope="module")
def people(shared_folder):
    return sorted(p for p in (shared_folder / "faces/london").iterdir() if p.is_dir())[:6]


@pytest.mark.shared
@pytest.mark.slow
def test_a_system_that_gives_the_subjects_other_photograph_is_right_but_for_its_failure(tmp_path, people, shared):
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)).save(tmp_path / "noise.png")
    rows = [(p / "neutral.jpg", q / "neutral.jpg", p / "smiling.jpg") for p in people for q in people if p != q]
    rows[0] = (*rows[0][:2], tmp_path / "noise.png")
    done = run(tmp_path, "--pairs", write(tmp_path / "pairs.csv", rows), "--out", "out", assets=shared / "models")
    assert done.returncode == 0, done.stderr
    assert "noise.png: no face was found" in done.stderr
    assert done.stdout.strip() == "out/index.html"
    values = json.loads((tmp_path / "out/metrics.json").read_text())
    assert values["identity/top1"]["value"] == pytest.approx(29 / 30)
    assert values["identity/top1_sample"]["value"] == 0
    assert values["identity/cosine_subject"]["value"] > 0.8
    assert values["attributes/yaw_error"]["value"] > 90 * 2 / 30  # the failure has the largest there is
    assert "photographs have no true recombination" in values["not_measured"]["truth/psnr"][0]
    controls = json.loads((tmp_path / "out/controls.json").read_text())
    assert controls["copy_sample"]["identity/top1_sample"]["value"] == 1
    assert controls["copy_subject"]["identity/top1"]["value"] == 1
    cases = pq.read_table(tmp_path / "out/cases.parquet").to_pylist()
    assert [case["found"] for case in cases] == [False, *[True] * 29]
    assert cases[1]["output"].endswith("smiling.jpg")
    page = (tmp_path / "out/index.html").read_text()
    shown = (
        "the sample given back",
        "True accept rate",
        "worst and best by identity/cosine_subject",
        "FID would stand",
    )
    assert [words for words in shown if words not in page] == []
    for written in ("plots/roc.csv", "plots/by_yaw.csv", "cases/cases_cosine_subject.png", "cases/cases_yaw_error.png"):
        assert (tmp_path / "out" / written).is_file()
    assert "params.yaml" not in page


@pytest.mark.shared
@pytest.mark.slow
def test_people_with_several_photographs_have_a_ceiling(tmp_path, shared):
    orl = [sorted(p.iterdir()) for p in sorted((shared / "faces/orl").iterdir()) if p.is_dir()][:4]
    rows = []
    for s, own in enumerate(orl):
        for a, other in enumerate(orl):
            rows += [(own[i], other[i], other[i], s, a) for i in range(4) if s != a]
    columns = ("subject", "sample", "output", "subject_person", "sample_person")
    done = run(tmp_path, "--pairs", write(tmp_path / "p.csv", rows, columns), "--out", "out", assets=shared / "models")
    assert done.returncode == 0, done.stderr
    values = json.loads((tmp_path / "out/metrics.json").read_text())
    assert (values["identity/top1"]["value"], values["identity/top1_sample"]["value"]) == (0, 1)
    assert values["identity/top1_real"]["n"] == 4
    assert values["attributes/yaw_error"]["value"] == 0


@pytest.mark.shared
def test_a_photograph_without_a_face_is_named(tmp_path, people, shared):
    Image.new("RGB", (64, 64)).save(tmp_path / "wall.png")
    a, b, c = (p / "neutral.jpg" for p in people[:3])
    pairs = write(tmp_path / "pairs.csv", [(a, b, a), (tmp_path / "wall.png", c, a)])
    refused(run(tmp_path, "--pairs", pairs, "--out", "out", assets=shared / "models"), "wall.png", "no face was found")
    assert not (tmp_path / "out").exists()


def refused(done, *words):
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.parametrize(
    ("columns", "rows", "words"),
    [
        (
            ("subject", "output"),
            [("a", "b")],
            "has no column sample; the first line should name subject, sample, output",
        ),
        (("subject", "sample", "output"), [], "has no row"),
        (("subject", "sample", "output"), [("a", "", "b")], "line 2 has no sample"),
        (("subject", "sample", "output"), [("x/a.png", "b.png", "c.png")], "3 of its files are not there"),
        (("subject", "sample", "output"), [("a.png", "a.png", "b.png")], "line 2 has the same person"),
    ],
)
def test_a_list_that_says_too_little_is_named_with_its_line(tmp_path, columns, rows, words):
    refused(run(tmp_path, "--pairs", write(tmp_path / "pairs.csv", rows, columns), "--out", "out"), "pairs.csv", words)


def test_a_list_that_is_not_there_or_no_text(tmp_path):
    refused(run(tmp_path, "--pairs", tmp_path / "none.csv", "--out", "out"), "none.csv", "not readable")
    (tmp_path / "picture.csv").write_bytes(b"\xff\xd8\xff")
    refused(run(tmp_path, "--pairs", tmp_path / "picture.csv", "--out", "out"), "picture.csv", "not readable")


@pytest.mark.shared
def test_two_people_are_too_few(tmp_path, people, shared):
    a, b = (p / "neutral.jpg" for p in people[:2])
    pairs = write(tmp_path / "pairs.csv", [(a, b, a)])
    refused(run(tmp_path, "--pairs", pairs, "--out", "out", assets=shared / "models"), "2 people", "are 3")
