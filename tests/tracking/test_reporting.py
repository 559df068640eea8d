"""What a stage reports arrives in W&B and in the files that DVC reads."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import tracking
from pipeline.params import Judge, Recogniser, Synthesize
from tests.tracking import runs
from tests.tracking.runs import recorded

METRICS = {
    "identity/top1": {"value": torch.tensor(0.5), "low": 0.25, "high": 0.75, "n": 12},
    "attributes/yaw_error": 0.25,
    "pairs": 3,
}
SYSTEMS = {"copy_sample": {"identity/top1": {"value": 0.0, "low": 0.0, "high": 0.0, "n": 12}}, "model": METRICS}
SYNTHESIZE = Synthesize(samples_per_subject=1, grid_subjects=2, grid_samples=3)
RECOGNISER = {
    "seed": 0,
    "images": 1,
    "batch_size": 2,
    "learning_rate": 0.1,
    "matrix_learning_rate": 0.0,
    "margin": 0.0,
    "scale": 1.0,
    "augment": False,
    "precision": "auto",
}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A folder in which one stage reported all that a stage can report."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        runs.isolate(folder, monkeypatch)
        monkeypatch.setenv("DVC_EXP_NAME", "sunny-fox")
        Path("dvc.yaml").write_text("stages: {judge: {deps: [data/faces]}}")
        Path("dvc.lock").write_text("stages: {prepare: {outs: [{path: data/faces, md5: abc.dir}]}}")
        Image.fromarray(np.zeros((4, 6, 3), np.uint8)).save("grid.png")
        sections = (Recogniser(**RECOGNISER), Judge(**RECOGNISER, width=8, features_dim=16, attribute_weight=1.0))
        with tracking.run("judge", *sections) as run:
            run.log({"train/L_GR": torch.tensor(0.123456789)}, images=200)
            run.log({"val/top1": 0.5}, images=200)
            run.log({"train/L_GR": 2.0}, images=100)
            run.log({"train/L_GR": 1234567.0}, images=2_000_000)
            run.curve(Path("plots/curve.csv"))
            run.picture("grid", Path("grid.png"), "rows are people")
            run.picture("worst", np.full((8, 8, 3), 255, np.uint8))
            shown = [["ada", np.full((4, 4, 3), 90, np.uint8), 0.5], ["bob", np.zeros((4, 4, 3), np.uint8), None]]
            run.pictured("judge/cases", ["subject", "output", "likeness"], shown)
            run.pictured("judge/none", ["subject"], [])
            run.metrics(Path("results/judge/metrics.json"), {"replaced": 1})
            run.metrics(Path("results/judge/metrics.json"), METRICS, {"truth/psnr": "no known truth"})
            run.systems(Path("results/judge/controls.json"), SYSTEMS)
            run.systems(Path("results/judge/groups.json"), {})
            run.table(Path("results/judge/plots/roc.csv"), ["rate", "made", "real"], [[-1, 0.5, 0.6], [0, 1, 1]], "ROC")
    return folder


@pytest.fixture(scope="module")
def summary(tracked):
    return recorded(tracked)


@pytest.fixture(scope="module")
def records(tracked):
    return runs.records(*runs.kept(tracked))


def test_importing_it_imports_neither_wandb_nor_lightning_nor_torch():
    code = "import sys, pipeline.tracking; print({'wandb', 'pytorch_lightning', 'torch'} & set(sys.modules))"
    root = Path(tracking.__file__).parent.parent.parent
    assert subprocess.check_output([sys.executable, "-c", code], cwd=root, text=True).strip() == "set()"


def test_without_a_key_a_run_is_kept_offline_without_a_question(summary):
    assert (summary["project"], summary["state"], summary["exit_code"]) == ("facet", "finished", 0)


def test_a_run_is_a_stage_of_an_experiment(summary, records):
    (run,) = [record["run"] for record in records if record["type"] == "run"]
    assert (run["job_type"], run["run_group"], summary["name"]) == ("judge", "sunny-fox", "judge sunny-fox")


def test_the_config_holds_the_params_under_their_names_in_params_yaml(summary):
    assert summary["config"]["pretrain"] == RECOGNISER
    assert summary["config"]["judge"]["width"] == 8


def test_the_config_says_where_the_results_come_from(summary):
    assert summary["config"]["deps"] == {"data/faces": "abc.dir"}
    assert summary["config"]["environment"]["torch"] == torch.__version__
    assert summary["config"]["environment"]["git"] == "unversioned"


def test_the_metrics_file_is_sorted_plain_floats(tracked):
    assert (tracked / "results/judge/metrics.json").read_text() == (
        "{\n"
        '  "attributes/yaw_error": 0.25,\n'
        '  "identity/top1": {\n    "high": 0.75,\n    "low": 0.25,\n    "n": 12.0,\n    "value": 0.5\n  },\n'
        '  "not_measured": {\n    "truth/psnr": [\n      "no known truth"\n    ]\n  },\n'
        '  "pairs": 3.0\n'
        "}\n"
    )


def test_the_summary_has_the_keys_and_values_of_the_metrics_file(tracked, summary):
    metrics = json.loads((tracked / "results/judge/metrics.json").read_text())
    assert {key: summary["summary"].get(key) for key in metrics} == metrics


def test_systems_are_a_file_and_a_table_with_a_row_each(tracked, summary):
    written = json.loads((tracked / "results/judge/controls.json").read_text())
    assert written["copy_sample"]["identity/top1"]["n"] == 12
    assert written["model"]["pairs"] == 3
    shown = summary["summary"]["judge/controls"]
    assert (shown["ncols"], shown["nrows"]) == (4, 2)
    (table,) = (tracked / "wandb").glob("offline-run-*/files/media/table/judge/controls*.table.json")
    content = json.loads(table.read_text())
    assert content["columns"] == ["system", "attributes/yaw_error", "identity/top1", "pairs"]
    assert content["data"] == [["copy_sample", None, 0.0, None], ["model", 0.25, 0.5, 3.0]]


def test_a_table_can_be_drawn_as_lines_in_the_dashboard(tracked, summary):
    assert (tracked / "results/judge/plots/roc.csv").read_text() == "rate,made,real\n-1,0.5,0.6\n0,1,1\n"
    assert summary["summary"]["judge/roc/rows"]["nrows"] == 2
    (table,) = (tracked / "wandb").glob("offline-run-*/files/media/table/judge/roc/lines*.table.json")
    drawn = json.loads(table.read_text())
    points = {
        tuple(row[drawn["columns"].index(name)] for name in ("lineKey", "step", "lineVal")) for row in drawn["data"]
    }
    assert points == {("made", -1, 0.5), ("made", 0, 1), ("real", -1, 0.6), ("real", 0, 1)}


def test_a_table_has_pictures_among_its_values(tracked, summary):
    assert (summary["summary"]["judge/cases"]["ncols"], summary["summary"]["judge/cases"]["nrows"]) == (3, 2)
    assert "judge/none" not in summary["summary"]
    first, second = runs.table(*runs.kept(tracked), "judge/cases")
    assert list(first) == ["subject", "output", "likeness"]
    assert [[row["subject"], row["likeness"]] for row in (first, second)] == [["ada", 0.5], ["bob", None]]
    assert [np.asarray(Image.open(row["output"])).max() for row in (first, second)] == [90, 0]


def test_where_there_is_no_system_the_file_says_so_and_there_is_no_table(tracked, summary):
    assert json.loads((tracked / "results/judge/groups.json").read_text()) == {}
    assert "judge/groups" not in summary["summary"]


def test_a_curve_is_a_row_for_each_count_of_images_and_a_column_for_each_key(tracked):
    rows = ["images,train/L_GR,val/top1", "100,2,", "200,0.123457,0.5", "2000000,1.23457e+06,"]
    assert (tracked / "plots/curve.csv").read_text().splitlines() == rows


def test_the_axis_of_each_chart_is_images_seen(records):
    points = [record["history"]["item"] for record in records if record["type"] == "history"]
    assert [point["images"] for point in points][:4] == [200, 200, 100, 2_000_000]
    axes = [record["metric"] for record in records if record["type"] == "metric"]
    assert {axis.get("glob_name"): axis.get("step_metric") for axis in axes}["*"] == "images"


def test_pictures_are_kept_from_arrays_and_from_files(summary):
    pictures = summary["summary"]
    assert (pictures["grid"]["caption"], pictures["grid"]["width"]) == ("rows are people", 6)
    assert pictures["worst"]["height"] == 8
    assert pictures["images"] == 2_000_000


@pytest.mark.parametrize("value", [float("nan"), float("inf"), torch.tensor(float("nan"))])
def test_a_metric_that_is_no_number_is_refused(value):
    run = tracking.Run(None)
    with pytest.raises(ValueError, match=r"m\.json: not finite: \{'identity/top1': (nan|inf)\}"):
        run.metrics(Path("m.json"), {"identity/top1": value, "good": 1})
    with pytest.raises(ValueError, match="not finite"):
        run.metrics(Path("m.json"), {"identity/top1": {"value": 1.0, "low": value}})
    assert not Path("m.json").exists()


def test_a_metric_cannot_be_measured_and_not_measured():
    with pytest.raises(ValueError, match=r"measured and not measured: \['truth/psnr'\]"):
        tracking.Run(None).metrics(Path("m.json"), {"truth/psnr": 1, "a": 2}, {"truth/psnr": "why"})


def test_a_curve_logged_twice_at_the_same_images_keeps_the_last_value():
    run = tracking.Run(None)
    run.log({"a": 1}, images=10)
    run.log({"a": 2}, images=10)
    run.curve(Path("c.csv"))
    assert Path("c.csv").read_text() == "images,a\n10,2\n"


def test_images_are_the_axis_and_no_value():
    with pytest.raises(ValueError, match="'images' is the x-axis"):
        tracking.Run(None).log({"images": 1}, images=1)


@pytest.mark.parametrize("variable", ["RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID"])
def test_processes_after_the_first_write_and_log_nothing(folder, monkeypatch, variable):
    monkeypatch.setenv(variable, "1")
    with tracking.run("train", SYNTHESIZE) as run:
        run.log({"a": 1}, images=1)
        run.metrics(Path("m.json"), {"a": 1})
        run.curve(Path("c.csv"))
        run.picture("p", np.zeros((2, 2, 3), np.uint8))
    assert list(folder.iterdir()) == []


@pytest.mark.slow
def test_the_first_of_several_processes_reports(folder, monkeypatch):
    for variable in ("RANK", "LOCAL_RANK"):
        monkeypatch.setenv(variable, "0")
    with tracking.run("train") as run:
        run.metrics(Path("m.json"), {"a": 1})
    assert recorded(folder)["summary"]["a"] == 1
