"""Nothing of W&B stops a stage, costs it a metric, or holds it up for longer than is said."""

import io
import json
import logging
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import tracking
from pipeline.tracking import connection
from tests.conftest import ROOT, unavailable
from tests.tracking import runs
from tests.tracking.runs import recorded
from tests.tracking.server import DIES, ERROR, FALLS_ILL, FALLS_SILENT, SILENT, WORKS


@pytest.fixture
def said(caplog):
    """What a person was told: lines."""
    caplog.set_level(logging.INFO)
    return lambda: [r.getMessage() for r in caplog.records if r.name.startswith("pipeline.tracking")]


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
    seen = [identity_and_points(run) for run in runs.kept(folder)]
    ids = [run_id for run_id, _ in seen]
    assert ids[0] == ids[1]
    assert len({*ids}) == 3
    assert [points for _, points in seen] == [[(10, 1), (20, 2)], [(20, 3)], [], []]


def identity_and_points(run):
    items = [history["item"] for history in runs.of_type(run, "history")]
    (run_id,) = {begun["run_id"] for begun in runs.of_type(run, "run")}
    return run_id, [(item["images"], item["a"]) for item in items]


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


@pytest.mark.slow
def test_the_service_of_whoever_started_the_stage_may_have_ended(folder):
    """W&B leaves the place of its service to all that a process starts."""
    env = os.environ | {"WANDB_SERVICE": "3-1-unix-/nowhere/socket", "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
    code = "from pipeline import tracking\nwith tracking.run('train') as run: run.log({'a': 1}, images=1)"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
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
    run.pictured("t", ["a"], [[1]])
    run.metrics(Path("m.json"), {"a": 1})
"""


@pytest.mark.slow
def test_a_wandb_that_dies_midway_is_one_line_and_the_stage_goes_on(monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    command = [sys.executable, "-c", WITH_A_WANDB_THAT_DIES]
    output = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    assert json.loads(Path("m.json").read_text()) == {"a": 1.0}
    assert output.count("W&B misses some of this run, which goes on: Connection lost") == 1
    assert output.count("W&B") == 1


def report_all():
    """A stage that reports: how long its start, its body and its end took."""
    began = time.monotonic()
    with tracking.run("evaluate") as run:
        started = time.monotonic()
        for images in range(5):
            run.log({"a": images}, images)
        run.picture("p", np.zeros((2, 2, 3), np.uint8))
        run.pictured("evaluate/cases", ["name", "output"], [["ada", np.full((4, 4, 3), 9, np.uint8)]])
        run.table(Path("results/evaluate/plots/roc.csv"), ["rate", "made"], [[0, 0.5], [1, 1]], "ROC")
        run.metrics(Path("m.json"), {"b": 1})
        run.curve(Path("c.csv"))
        ending = time.monotonic()
    return started - began, ending - started, time.monotonic() - ending


def is_complete(run):
    """Whether a run's folder has all that was reported, so that it can be uploaded."""
    points = [history["item"]["a"] for history in runs.of_type(run, "history") if "a" in history["item"]]
    numbers = [summary["update"].get("b") for summary in runs.of_type(run, "summary")]
    return points == [0, 1, 2, 3, 4] and 1 in numbers and bool(list(run.glob("files/media/images/p*.png")))


def assert_synced(command, server):
    """The command brings a server all that was reported."""
    env = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    subprocess.run(command.split(), env=env, capture_output=True, check=True)
    assert_arrived(server)


def assert_arrived(server):
    """A server has all that was reported: points, summary, picture, and tables with what is pictured in them."""
    assert server.points("a") == [0, 1, 2, 3, 4]
    named = [name for asked in server.of("CreateRunFiles") for name in asked["files"]]
    assert "wandb-summary.json" in named
    assert [name for name in named if re.fullmatch(r"media/images/p_.*\.png", name)]
    drawn = [Image.open(io.BytesIO(content)) for content in server.uploaded if content.startswith(b"\x89PNG")]
    assert sorted(image.size for image in drawn) == [(2, 2), (4, 4)]
    parts = [part["name"] for asked in server.of("CreateArtifactFiles") for part in asked["input"]["artifactFiles"]]
    keys = {name.removesuffix(".table.json") for name in parts if name.endswith(".table.json")}
    assert keys == {"evaluate/cases", "evaluate/roc/rows", "evaluate/roc/lines_table"}
    tables = [json.loads(content) for content in server.uploaded if content.startswith(b'{"_type": "table"')]
    rows = {tuple(table["columns"]): table["data"] for table in tables}
    assert rows["rate", "made"] == [[0, 0.5], [1, 1]]
    ((name, picture),) = rows["name", "output"]
    assert (name, picture["path"] in parts) == ("ada", True)
    assert len(server.of("CommitArtifact")) == 3
    assert keys <= {key for point in server.history() for key in point}


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", ["refuses", SILENT, ERROR])
def test_a_server_that_cannot_be_reached_costs_seconds_and_one_line_and_sync_does_the_rest(
    folder, serve, monkeypatch, said, capfd, behaviour
):
    server = serve(behaviour)
    if behaviour == "refuses":
        server.close()
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 3)
    start, _, end = report_all()
    assert start < 10
    assert end < 5
    (line,) = said()
    assert line.startswith("W&B is out of reach, so this run is kept offline: ")
    assert "wandb" not in capfd.readouterr().err, "W&B says nothing of its own"
    assert json.loads(Path("m.json").read_text()) == {"b": 1}
    (run,) = (run for run in runs.kept(folder) if run.name.startswith("offline-run-"))
    assert is_complete(run)
    assert_synced(f"wandb sync {run}", serve(WORKS))


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [FALLS_SILENT, FALLS_ILL, DIES])
def test_a_server_that_fails_midway_holds_up_the_end_for_seconds_and_sync_does_the_rest(
    folder, serve, monkeypatch, said, capfd, behaviour
):
    serve(behaviour)
    monkeypatch.setattr(connection, "FINISH_SECONDS", 3)
    monkeypatch.setenv("WANDB_X_GRAPHQL_TIMEOUT_SECONDS", "2")
    monkeypatch.setenv("WANDB_X_GRAPHQL_RETRY_MAX", "1")
    _, body, end = report_all()
    assert body < 15, "a table waits for nobody"
    assert 2.5 < end < 30
    (run,) = runs.kept(folder)
    rest = f"wandb sync --include-online {run}"
    assert said() == [f"W&B did not take this run in 3 s: `{rest}` does the rest"]
    assert "wandb" not in capfd.readouterr().err, "W&B says nothing of its own"
    assert json.loads(Path("m.json").read_text()) == {"b": 1}
    assert is_complete(run)
    assert_synced(rest, serve(WORKS))


WITH_ARTIFACTS = """
from pathlib import Path
from pipeline import tracking
from pipeline.tracking import connection

connection.FINISH_SECONDS = 3
connection.WANDB |= {"WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "2", "WANDB_X_GRAPHQL_RETRY_MAX": "1"}
with tracking.run("prepare") as run:
    run.pictured("t", ["a"], [[1]])
    Path("data").mkdir()
    for name in "abcd":
        Path("data", name).write_text(name)
"""


@pytest.mark.slow
def test_a_process_with_artifacts_ends_though_the_server_fell_silent(serve):
    server = serve(FALLS_SILENT)
    Path("dvc.yaml").write_text("stages: {prepare: {outs: [data/a, data/b, data/c, data/d]}}")
    env = os.environ | {"WANDB_BASE_URL": server.url, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", WITH_ARTIFACTS]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=True, timeout=90)
    assert done.stderr.startswith("W&B did not take this run in 3 s: ")
    assert done.stderr.count("\n") == 1


@pytest.mark.slow
def test_a_server_that_works_gets_the_run_at_once(serve, said):
    server = serve(WORKS)
    report_all()
    assert said() == []
    assert_arrived(server)
    (begun, *_) = server.of("UpsertBucket")
    assert (begun["project"], begun["jobType"]) == ("facet", "evaluate")
    assert "wandb-summary.json" in str(server.of("CreateRunFiles"))


@pytest.mark.slow
def test_a_key_is_nowhere_but_in_what_the_server_is_asked_with(folder, serve):
    server = serve(WORKS)
    key = "0123456789abcdef" * 2 + "facebead"
    code = "import tests.tracking.test_connection as t; t.report_all()"
    env = os.environ | {"WANDB_API_KEY": key, "PYTHONPATH": str(ROOT), "WANDB_DEBUG": "true"}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True)
    assert server.of("UpsertBucket")
    assert key not in done.stdout + done.stderr
    assert key.encode() not in b"".join(server.posted)
    written = [path for path in folder.rglob("*") if path.is_file()]
    assert len(written) > 5
    assert [path for path in written if key.encode() in path.read_bytes()] == []
    assert key not in json.dumps(runs.records(*runs.kept(folder)))


@pytest.fixture
def mountable():
    """File systems can be mounted, in a namespace of one's own."""
    tried = subprocess.run(["unshare", "-rm", "true"], capture_output=True) if shutil.which("unshare") else None
    if tried is None or tried.returncode != 0:
        unavailable("mount", "no file systems can be mounted here")


FILLING = """
import logging
from pathlib import Path
import numpy as np
from pipeline import tracking

logging.basicConfig(format="%(message)s")
noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
with tracking.run("train") as run:
    for images in range(2000):
        run.log({"a": 1}, images)
        if images % 100 == 0:
            run.picture("p", noise)
    run.metrics(Path("m.json"), {"b": 1})
    run.curve(Path("c.csv"))
"""


@pytest.mark.slow
@pytest.mark.usefixtures("mountable")
@pytest.mark.parametrize("size", ["4k", "96k"])
def test_a_full_disk_under_wandb_s_folder_stops_nothing(folder, size):
    """Full before the run begins, and full while it goes on."""
    (folder / "full").mkdir()
    (folder / "stage.py").write_text(FILLING)
    command = f"mount -t tmpfs -o size={size} tmpfs full && exec {sys.executable} stage.py"
    env = os.environ | {"PYTHONPATH": str(ROOT), "WANDB_DIR": str(folder / "full")}
    began = time.monotonic()
    done = subprocess.run(["unshare", "-rm", "sh", "-c", command], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert time.monotonic() - began < 60
    assert json.loads(Path("m.json").read_text()) == {"b": 1}
    assert len(Path("c.csv").read_text().splitlines()) == 2001
    assert "Traceback" not in done.stderr
    assert len(re.findall("^W&B .*No space left", done.stderr, re.MULTILINE)) == 1, done.stderr


def test_a_broken_picture_is_one_line(folder, said):
    Path("p.png").write_bytes(b"\x89PNG\r\n\x1a\n and no more")
    with tracking.run("train") as run:
        run.picture("p", Path("p.png"))
        run.picture("p", Path("absent.png"))
        run.metrics(Path("m.json"), {"b": 1})
    (line,) = said()
    assert line.startswith("W&B misses some of this run, which goes on: cannot identify image file")
    assert recorded(folder)["summary"]["b"] == 1
