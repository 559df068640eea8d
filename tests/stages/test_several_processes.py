"""The stages over several processes, on one machine and as if on two: the same results, written and logged once."""

import csv
import json
import os
import shutil
import subprocess
import sys
from functools import reduce
from operator import getitem
from pathlib import Path

import pyarrow.parquet
import pytest
from PIL import Image
from ruamel.yaml import YAML

from pipeline.applications import dashboard
from pipeline.params import Backbone, load_params
from pipeline.tracking.panels import Pictures
from tests.conftest import ROOT
from tests.datasets.building.projects import RENDERED, project
from tests.tracking.runs import kept, of_type, summed_up, table
from tests.training.projects import change
from tests.training.test_data_parallel import free_port

pytestmark = pytest.mark.slow

# 12 people with 11 samples each: 132 recombinations, which are two whole chunks and four images.
PEOPLE = {"people": {"train": 6, "judge": 6, "val": 3, "test": 12}}
PICTURES = {"images_per_person": {"train": 4, "judge": 4, "val": 4, "test": 7}}
TINY = {
    "model": {"identity_dim": 8, "attribute_dim": 4, "width": 8, "style_dim": 8},
    "pretrain": {"images": 32, "batch_size": 8},
    "judge": {"images": 32, "batch_size": 8, "width": 8, "features_dim": 16},
    "train": {"images": 40, "batch_size": 8, "average_images": 16},
    "synthesize": {"samples_per_subject": 11, "grid_subjects": 3, "grid_samples": 3},
}


ALL_STEPS = ["8", "16", "24", "32", "40"]


def steps(said):
    """Those that were told of: a line a step, and by one process alone."""
    return [line.split()[0] for line in said.splitlines() if " of 40 images" in line]


def environment(**variables):
    """Of a process on the CPU with one thread, so that the order of sums is the same everywhere."""
    return {
        "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "", "OMP_NUM_THREADS": "1", "WANDB_MODE": "offline", **variables,
    }  # fmt: skip


def run(folder, stage, **variables):
    """Exit code and what was said."""
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", stage], cwd=folder, env=environment(**variables),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, timeout=300, check=False,
    )  # fmt: skip
    return done.returncode, done.stderr


def run_together(folder, commands):
    """Exit code and what was said, of each of these commands with their variables, run at once."""
    started = [
        subprocess.Popen(
            [sys.executable, *command], cwd=folder, env=environment(**variables),
            stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        )
        for command, variables in commands
    ]  # fmt: skip
    said = [process.communicate(timeout=300)[1] for process in started]
    return [(process.returncode, text) for process, text in zip(started, said, strict=True)]


def on_two_machines(folder, stage):
    """Torchrun as it is called on either of two machines, which see the same folder."""
    where = ["--nnodes", "2", "--nproc-per-node", "1", "--master-addr", "127.0.0.1", "--master-port", str(free_port())]
    run_module = ["-m", "torch.distributed.run", *where, "--node-rank"]
    return run_together(folder, [([*run_module, node, "-m", "pipeline", stage], {}) for node in ("0", "1")])


def on_one_machine(folder, stage):
    """Two processes, the second of which the stage starts itself."""
    return [run(folder, stage, FACET_DEVICES="2")]


def in_slurm(folder, stage):
    """The variables that srun gives to two tasks on two machines."""
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "facet", "SLURM_NTASKS": "2", "SLURM_NNODES": "2"}
    job |= {"SLURM_NTASKS_PER_NODE": "1", "SLURM_LOCALID": "0"}
    job |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    tasks = [job | {"SLURM_PROCID": task, "SLURM_NODEID": task} for task in ("0", "1")]
    return run_together(folder, [(["-m", "pipeline", stage], task) for task in tasks])


def files(folder, *places):
    found = (
        path for place in places for path in (folder / place).rglob("*") if path.is_file() and path.name != "run.json"
    )
    return {str(path.relative_to(folder)): path.read_bytes() for path in found}


def runs(folder):
    return sorted(path.name for path in (folder / "wandb").glob("offline-run-*"))


def copied(folder, place):
    return Path(shutil.copytree(folder, place, ignore=shutil.ignore_patterns("wandb", ".facet")))


@pytest.fixture(scope="module")
def pretrained(tmp_path_factory):
    """A project up to `train`, by one process."""
    folder = project(tmp_path_factory.mktemp("pretrained"), shard_images=16, rendered=RENDERED | PEOPLE | PICTURES)
    change(folder, TINY)
    shutil.copy(ROOT / "dvc.yaml", folder)  # which says what is used and made
    for stage in ("prepare", "pretrain", "judge"):
        code, said = run(folder, stage, FACET_DEVICES="1", FACET_WORKERS="1")
        assert code == 0, said
    return folder


@pytest.fixture(scope="module")
def trained(pretrained, tmp_path_factory):
    """The project after `train`, by two processes of one machine."""
    folder = copied(pretrained, tmp_path_factory.mktemp("trained") / "project")
    code, said = run(folder, "train", FACET_DEVICES="2")
    assert code == 0, said
    assert steps(said) == ALL_STEPS, said
    assert len(runs(folder)) == 1
    return folder


@pytest.fixture(scope="module")
def evaluated(trained, tmp_path_factory):
    """The project after `synthesize`, `evaluate` and `report`, by one process."""
    folder = copied(trained, tmp_path_factory.mktemp("evaluated") / "project")
    for stage in ("synthesize", "evaluate", "report"):
        code, said = run(folder, stage, FACET_DEVICES="1")
        assert code == 0, said
    return folder


def test_two_machines_train_as_two_processes_of_one_do(pretrained, trained, tmp_path):
    folder = copied(pretrained, tmp_path / "project")
    (code, said), (code_second, said_second) = on_two_machines(folder, "train")
    assert (code, code_second) == (0, 0), said + said_second
    assert steps(said) == ALL_STEPS, said
    assert said_second == ""
    assert files(folder, "models", "results") == files(trained, "models", "results")
    assert len(runs(folder)) == 1
    assert files(folder, ".facet") == {}


@pytest.mark.parametrize("where", [on_two_machines, in_slurm])
def test_synthesize_gives_the_same_bytes_on_two_machines(trained, evaluated, tmp_path, where):
    folder = copied(trained, tmp_path / "project")
    assert where(folder, "synthesize") == [(0, ""), (0, "")]
    assert files(folder, "results/synthesize") == files(evaluated, "results/synthesize")
    assert len(runs(folder)) == 1


def test_synthesize_and_evaluate_give_the_same_bytes_on_two_processes(trained, evaluated, tmp_path):
    folder = copied(trained, tmp_path / "project")
    # As in a SLURM job of one task, whose other processes are ours to start.
    job = {"SLURM_JOB_ID": "7", "SLURM_JOB_NAME": "facet", "SLURM_NTASKS": "1", "SLURM_PROCID": "0"}
    for stage in ("synthesize", "evaluate"):
        assert run(folder, stage, FACET_DEVICES="2", **job) == (0, "")
    written = files(folder, "results/synthesize", "results/evaluate")
    assert written == files(evaluated, "results/synthesize", "results/evaluate")
    assert "results/synthesize/faces/index.parquet" in written
    assert "results/evaluate/metrics.json" in written
    assert len(runs(folder)) == 2


@pytest.mark.parametrize(
    ("stage", "method"), [("pretrain", "ipgan"), ("judge", "ipgan"), ("train", "ipgan"), ("train", "cvaegan")]
)
def test_two_processes_learn_what_one_does(pretrained, tmp_path, stage, method):
    """Terms of the first step, and what a few in float32 leave of rounding, in all curves."""
    found = []
    for devices in ("1", "2"):
        folder = copied(pretrained, tmp_path / devices)
        change(folder, {"model": {"method": method}, stage: {"precision": "32-true"}})
        code, said = run(folder, stage, FACET_DEVICES=devices)
        assert code == 0, said
        assert len(runs(folder)) == 1
        curves = [file.read_text() for file in sorted((folder / "results" / stage / "plots").glob("*.csv"))]
        rows = [row.split(",") for curve in curves for row in curve.splitlines()[1:]]
        found.append([[float(cell or "nan") for cell in row] for row in rows])  # no term of two people in a pair of one
    one, two = found
    assert len(one) == len(two) >= 4
    assert two[0] == pytest.approx(one[0], rel=1e-5, nan_ok=True)
    for row_of_one, row_of_two in zip(one, two, strict=True):
        assert row_of_two == pytest.approx(row_of_one, rel=1e-2, abs=1e-3, nan_ok=True)


@pytest.mark.parametrize("stage", ["pretrain", "judge", "train"])
@pytest.mark.parametrize("where", [on_two_machines, on_one_machine])
def test_a_fit_that_was_done_is_not_done_again_and_what_follows_needs_nobody(pretrained, tmp_path, where, stage):
    """The processes that share nothing any more leave; the first must not wait for them."""
    folder = copied(pretrained, tmp_path / "project")
    for output in (f"models/{stage}", f"results/{stage}"):
        shutil.rmtree(folder / output, ignore_errors=True)
    obstacle = folder / "results" / stage
    obstacle.touch()
    assert where(folder, stage)[0][0] != 0
    obstacle.unlink()
    (code, said), *others = where(folder, stage)
    assert code == 0, said
    assert all(code == 0 for code, _ in others), others
    assert len(runs(folder)) == 2
    first, second = (summed_up(segment) for segment in kept(folder))
    assert first["run_id"] == second["run_id"], "it goes on in the same run"
    assert second["state"] == "finished"
    assert f"Going on from {40 if stage == 'train' else 32} images" in said
    assert files(folder, f"models/{stage}")


def test_a_batch_that_cannot_be_split_is_refused_by_its_name(pretrained, tmp_path):
    folder = copied(pretrained, tmp_path / "project")
    code, said = run(folder, "train", FACET_DEVICES="3")
    assert code == 1
    assert said.startswith("train.batch_size 8 cannot be split over 3 processes: change it in params.yaml")
    assert len(said.splitlines()) == 1


@pytest.fixture(scope="module")
def tracked(pretrained, trained, evaluated):
    """Stage -> its project and the folder of its run, of every stage; `train` by two processes."""
    found = [(folder, run) for folder in (pretrained, trained, evaluated) for run in kept(folder)]
    return {of_type(run, "run")[0]["job_type"]: (folder, run) for folder, run in found}


def at(tree, name):
    """What `model.width` means in nested dictionaries."""
    return reduce(getitem, name.split("."), tree)


def pictures(run):
    return {path.rpartition("_")[0].rpartition("_")[0] for path in files(run, "files/media/images")}


@pytest.mark.parametrize("stage", ["prepare", "pretrain", "judge", "train", "synthesize", "evaluate", "report"])
def test_what_a_stage_logged_is_read_back(tracked, stage):
    folder, kept_run = tracked[stage]
    told = summed_up(kept_run)
    assert (told["state"], told["exit_code"]) == ("finished", 0)
    described = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text())["stages"][stage]
    params = load_params(folder / "params.yaml").model_dump(mode="json")
    for name in described["params"]:  # a section, or of pretrain's model a field
        assert at(told["config"], name) == at(params, name)
    if stage == "pretrain":
        assert told["config"]["model"].keys() == Backbone.model_fields.keys()
    listed = [out for kind in ("outs", "metrics", "plots") for out in described.get(kind, ())]
    outs = {out if isinstance(out, str) else next(iter(out)) for out in listed}
    said = json.loads((folder / "results" / stage / "run.json").read_text())
    assert kept_run.name.endswith(said["wandb_id"])
    assert said["processes"] == (2 if stage == "train" else 1)
    outs.remove(f"results/{stage}/run.json")  # says something else each time, so it would be a version each time
    assert told["config"]["outs"].keys() == outs
    assert {artifact["name"] for artifact in of_type(kept_run, "artifact")} >= {
        "-".join(Path(o).parts[1:]) for o in outs
    }
    assert pictures(kept_run)
    if stage != "report":
        metrics = json.loads((folder / "results" / stage / "metrics.json").read_text())
        assert {key: told["summary"].get(key) for key in metrics} == metrics
    points = [history["item"] for history in of_type(kept_run, "history")]
    for curve in folder.glob(f"results/{stage}/plots/*.csv"):
        header, *rows = csv.reader(curve.read_text().splitlines())
        for row in rows if header[0] == "images" and stage != "prepare" else ():
            written = {key: float(value) for key, value in zip(header, row, strict=True) if value}
            assert any({k: p[k] for k in written if k in p} == pytest.approx(written, rel=1e-5) for p in points)


def test_the_worst_and_the_best_cases_are_a_table_with_pictures(tracked):
    folder, kept_run = tracked["evaluate"]
    cases = pyarrow.parquet.read_table(folder / "results/evaluate/cases/cases.parquet")
    rows = table(kept_run, "evaluate/cases")
    pictures = ["subject_image", "sample_image", "output", "truth"]
    assert list(rows[0]) == ["metric", "place", *pictures, *cases.column_names]
    metrics = list(dict.fromkeys(row["metric"] for row in rows))
    assert metrics[:3] == ["identity/cosine_subject", "attributes/yaw_error", "truth/psnr"]
    assert {"identity/cosine_sample", "truth/feature_distance_mouth", "memorisation/nearest_cosine"} <= set(metrics)
    assert len(rows) == 3 * 24 + (len(metrics) - 3) * 8
    drawn = {path.stem for path in (folder / "results/evaluate/cases").glob("cases_*.png")}
    assert drawn == {f"cases_{metric.rpartition('/')[2]}" for metric in metrics}
    by_likeness = rows[:24]
    assert {row["metric"] for row in by_likeness} == {"identity/cosine_subject"}
    assert [by_likeness[i]["place"] for i in (0, 11, 12, 23)] == ["worst 1", "worst 12", "best 12", "best 1"]
    likeness = sorted(cases["identity/cosine_subject"].to_pylist())
    assert [row["identity/cosine_subject"] for row in by_likeness] == pytest.approx(likeness[:12] + likeness[-12:])
    for path in (row[name] for row in rows for name in pictures):
        with Image.open(path) as image:
            assert image.size == (32, 32)


def test_in_wandb_the_graph_leads_from_the_faces_to_the_numbers(tracked):
    made, used = {}, {}
    for stage, (_, kept_run) in tracked.items():
        for artifact in of_type(kept_run, "artifact"):
            which = used.setdefault(stage, {}) if artifact.get("use_after_commit") else made
            which[artifact["name"]] = artifact["digest"]
    assert {stage: set(names) for stage, names in used.items() if stage != "report"} == {
        "pretrain": {"faces"},
        "judge": {"faces"},
        "train": {"faces", "pretrain"},
        "synthesize": {"faces", "train"},
        "evaluate": {"faces", "judge", "train", "synthesize-faces"},
    }
    for names in used.values():
        assert names == {name: made[name] for name in names}


def test_the_dashboard_shows_the_pictures_that_stages_log(tracked):
    shown = {
        key for s in dashboard.WORKSPACE for panel in s.panels if isinstance(panel, Pictures) for key in panel.keys
    }
    logged = {
        name.removeprefix("files/media/images/") for _, kept_run in tracked.values() for name in pictures(kept_run)
    }
    assert logged - {"report/grid"} <= shown
    assert {key for key in shown if not key.startswith("evaluate/")} <= logged
    assert {"evaluate/truth", "evaluate/cases_psnr"} <= logged
