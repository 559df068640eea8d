"""What a stage reports arrives in W&B and in the files that DVC reads, and nothing of W&B stops a stage."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import tracking
from pipeline.params import Judge, Recogniser, Synthesize
from pipeline.tracking import connection

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
}


def isolate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project, and a W&B that knows of no key, whatever this machine has."""
    import wandb

    for name in [name for name in os.environ if name.startswith(("WANDB_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(folder / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(folder / "wandb-config"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(folder)
    wandb.teardown()  # it reads the environment once a process


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    isolate(tmp_path, monkeypatch)
    yield tmp_path
    import wandb

    wandb.teardown()


def inspect(folder: Path, *options: str) -> bytes:
    """What W&B reads of the one run below a folder."""
    (run,) = (folder / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, "--json", str(run)]
    return subprocess.run(command, capture_output=True, check=True).stdout


def recorded(folder: Path) -> dict:
    return json.loads(inspect(folder, "--summary"))


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """A folder in which one stage reported all that a stage can report."""
    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(folder, monkeypatch)
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
    return [json.loads(line) for line in inspect(tracked).splitlines()]


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
    assert summary["summary"]["judge/roc"]["nrows"] == 2
    (table,) = (tracked / "wandb").glob("offline-run-*/files/media/table/judge/roc/lines*.table.json")
    drawn = json.loads(table.read_text())
    points = {
        tuple(row[drawn["columns"].index(name)] for name in ("lineKey", "step", "lineVal")) for row in drawn["data"]
    }
    assert points == {("made", -1, 0.5), ("made", 0, 1), ("real", -1, 0.6), ("real", 0, 1)}


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


def test_a_body_that_raises_closes_the_run_as_failed(folder):
    with pytest.raises(RuntimeError, match="out of memory"), tracking.run("train"):
        raise RuntimeError("out of memory")
    seen = recorded(folder)
    assert (seen["state"], seen["exit_code"]) == ("failed", 1)


@pytest.mark.slow
def test_an_interrupted_body_closes_the_run_too(folder):
    with pytest.raises(KeyboardInterrupt), tracking.run("train"):
        raise KeyboardInterrupt
    assert recorded(folder)["exit_code"] == 1


@pytest.mark.slow
def test_a_stage_that_goes_on_continues_its_run_and_a_forced_one_begins_its_own(folder, monkeypatch):
    monkeypatch.setenv("DVC_EXP_NAME", "sunny-fox")
    for work in ("f1", "f2", "f1 forced"):
        Path(work).mkdir()
    with pytest.raises(KeyboardInterrupt), tracking.run("train", folder=Path("f1")) as run:  # noqa: PT012
        run.log({"a": 1}, images=10)
        run.log({"a": 2}, images=20)
        raise KeyboardInterrupt
    monkeypatch.setenv("DVC_EXP_NAME", "renamed-meanwhile")
    with tracking.run("train", folder=Path("f1")) as run:
        run.log({"a": 1}, images=10, again=True)
        run.log({"a": 3}, images=20)
        run.curve(Path("c.csv"))
    for other in ("f2", "f1 forced"):
        with tracking.run("train", folder=Path(other)):
            pass
    assert Path("c.csv").read_text() == "images,a\n10,1\n20,3\n"
    runs = [identity_and_points(run) for run in sorted(Path("wandb").glob("offline-run-*"), key=os.path.getctime)]
    ids = [run_id for run_id, _ in runs]
    assert ids[0] == ids[1]
    assert len({*ids}) == 3
    assert [points for _, points in runs] == [[(10, 1), (20, 2)], [(20, 3)], [], []]


def identity_and_points(run):
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(run)]
    lines = subprocess.run(command, capture_output=True, check=True).stdout.splitlines()
    records = [json.loads(line) for line in lines]
    items = [record["history"]["item"] for record in records if record["type"] == "history"]
    (run_id,) = {record["run"]["run_id"] for record in records if record["type"] == "run"}
    return run_id, [(item["images"], item["a"]) for item in items]


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


def test_the_environment_names_project_and_folder(folder, monkeypatch):
    monkeypatch.setenv("WANDB_PROJECT", "faces")
    monkeypatch.setenv("WANDB_DIR", str(folder / "elsewhere"))
    (folder / "elsewhere").mkdir()
    with tracking.run("train"):
        pass
    assert recorded(folder / "elsewhere")["project"] == "faces"


def test_wandb_mode_disabled_leaves_dvc_s_files_alone(folder, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "disabled")
    with tracking.run("train") as run:
        run.log({"a": 1}, images=1)
        run.metrics(Path("m.json"), {"a": 1})
    assert [path.name for path in folder.iterdir()] == ["m.json"]


@pytest.mark.slow
def test_an_experiment_in_a_temporary_copy_keeps_its_run_in_the_project(folder, monkeypatch):
    copy = folder / ".dvc" / "tmp" / "exps" / "tmp1234"
    copy.mkdir(parents=True)
    monkeypatch.chdir(copy)
    with tracking.run("train"):
        pass
    assert recorded(folder)["state"] == "finished"


WITH_A_WANDB_THAT_DIES = """
import os, signal, time
from pathlib import Path
import numpy as np
from pipeline import tracking
from pipeline.tracking import connection

with tracking.run("train") as run:
    for status in Path("/proc").glob("[0-9]*/status"):
        lines = status.read_text().splitlines()
        if "Name:\twandb-core" in lines and f"PPid:\t{os.getpid()}" in lines:
            os.kill(int(status.parent.name), signal.SIGKILL)
    time.sleep(0.5)
    run.log({"a": 1}, images=1)
    run.picture("p", np.zeros((2, 2, 3), np.uint8))
    run.metrics(Path("m.json"), {"a": 1})
"""


@pytest.mark.slow
def test_a_wandb_that_dies_midway_is_one_line_and_the_stage_goes_on(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(Path(tracking.__file__).parent.parent.parent))
    command = [sys.executable, "-c", WITH_A_WANDB_THAT_DIES]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert json.loads(Path("m.json").read_text()) == {"a": 1.0}
    assert output.count("W&B misses some of this run, which goes on: Connection lost") == 1
    assert output.count("W&B") == 1


@pytest.fixture
def silent_server():
    """Accepts connections on this machine and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted = []
        threading.Thread(target=lambda: _accept(server, accepted), daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}"
    for connection in accepted:
        connection.close()


def _accept(server: socket.socket, accepted: list[socket.socket]) -> None:
    while True:
        try:
            accepted.append(server.accept()[0])
        except OSError:  # closed: the test is over
            return


@pytest.mark.slow
@pytest.mark.parametrize("answer", ["refuses", "is silent"])
def test_a_server_that_cannot_be_reached_costs_seconds_and_one_line(folder, monkeypatch, silent_server, answer, caplog):
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", silent_server if answer == "is silent" else "http://127.0.0.1:9")
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 3)
    start = time.monotonic()
    with tracking.run("evaluate") as run:
        run.metrics(Path("m.json"), {"a": 1})
    assert time.monotonic() - start < 10
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("pipeline.tracking")]
    assert len(lines) == 1
    assert lines[0].startswith("W&B is out of reach, so this run is kept offline: ")
    assert recorded(folder)["summary"]["a"] == 1


class FallsSilent(BaseHTTPRequestHandler):
    """Lets a run begin, then takes what it is sent and answers nothing."""

    def do_POST(self):
        asked = self.rfile.read(int(self.headers["Content-Length"]))
        if b"UpsertBucket" not in asked:
            time.sleep(60)
            return
        project = {"id": "1", "name": "facet", "entity": {"id": "1", "name": "me"}}
        run = {"id": "1", "name": "abc", "displayName": "n", "config": "{}", "project": project}
        answer = json.dumps({"data": {"upsertBucket": {"bucket": run, "inserted": True}}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, *args):
        pass


@pytest.mark.slow
def test_a_server_that_falls_silent_holds_up_the_end_of_a_run_for_seconds(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), FallsSilent)
    server.daemon_threads = True
    server.block_on_close = False
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    monkeypatch.setenv("WANDB_BASE_URL", f"http://127.0.0.1:{server.server_port}")
    monkeypatch.setattr(connection, "FINISH_SECONDS", 3)
    with tracking.run("train") as run:
        run.log({"a": 1}, images=1)
        start = time.monotonic()
    assert 2.5 < time.monotonic() - start < 10
    assert list(Path("wandb").glob("run-*/run-*.wandb"))  # all of it is kept for `wandb sync`
    server.shutdown()
    server.server_close()
