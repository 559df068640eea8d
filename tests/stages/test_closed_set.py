"""CVAE-GAN through every stage: what is defined for it is measured, and what is not is named."""

import json
import subprocess
import sys

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.shards import Faces
from tests.datasets.building.projects import project
from tests.stages.test_several_processes import environment
from tests.training.projects import change

pytestmark = pytest.mark.slow

PEOPLE = {"people": {"train": 5, "judge": 6, "val": 3, "test": 3}}
PICTURES = {"images_per_person": {"train": 4, "judge": 4, "val": 4, "test": 4}}
TINY = {
    "model": {"method": "cvaegan", "identity_dim": 8, "attribute_dim": 4, "width": 8, "style_dim": 8},
    "pretrain": {"images": 32, "batch_size": 8},
    "judge": {"images": 32, "batch_size": 8, "width": 8, "features_dim": 16},
    "train": {"images": 40, "batch_size": 8, "average_images": 16, "validate_images": 20},
    "synthesize": {"samples_per_subject": 2, "grid_subjects": 3, "grid_samples": 3},
    "evaluate": {"gallery": 2},
}


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder = project(tmp_path_factory.mktemp("closed"), rendered={**PEOPLE, **PICTURES, "unlabelled": 0})
    change(folder, TINY)
    for stage in ("prepare", "pretrain", "judge", "train", "synthesize", "evaluate", "report"):
        command = [sys.executable, "-m", "pipeline", stage]
        subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True)
    return folder


def test_every_training_person_is_made_and_searched_among_all_of_them(done):
    made = Faces(done / "results/synthesize/faces")
    values = json.loads((done / "results/evaluate/metrics.json").read_text())
    assert sorted(made.column("subject")) == sorted(2 * [f"rendered/train{i:05d}" for i in range(5)])
    for name in ("closed_set/top1", "closed_set/top1_real"):
        assert 0 <= values[name]["low"] <= values[name]["value"] <= values[name]["high"] <= 1
    assert values["realism/images"] == 10
    assert values["realism/images_real"] == 20
    assert values["realism/fd_judge"]["value"] > 0
    assert json.loads((done / "results/evaluate/controls.json").read_text()) == {}
    shown = ("closed_set/top1", "closed_set/top1_real", "realism/fd_judge")
    headline = json.loads((done / "results/evaluate/headline.json").read_text())
    assert headline == {name: values[name]["value"] for name in shown}
    assert (done / "results/evaluate/plots/roc.csv").read_text().startswith("log10_false_accept,synthesized,real\n")
    cases = pq.read_table(done / "results/evaluate/cases/cases.parquet").to_pylist()
    assert sum(case["closed_set/top1"] for case in cases) == pytest.approx(10 * values["closed_set/top1"]["value"])


def test_what_is_not_defined_for_it_is_named_with_the_reason(done):
    values = json.loads((done / "results/evaluate/metrics.json").read_text())
    for name in ("identity/top1", "identity/top1_sample", "truth/psnr", "attributes/yaw_error"):
        assert name not in values
        assert "no subject and no sample" in values["not_measured"][name][0]


def test_its_curves_and_pictures_are_its_own(done):
    curve = (done / "results/train/plots/curve.csv").read_text().splitlines()[0]
    assert {"train/L_C", "train/L_D", "train/L_G_x", "train/L_GC", "train/L_GD"} <= set(curve.split(","))
    validation = (done / "results/train/plots/validation.csv").read_text().splitlines()[0]
    assert validation == "images,val/own_subject,val/own_unrelated"
    assert (done / "results/report/index.html").stat().st_size > 10_000
