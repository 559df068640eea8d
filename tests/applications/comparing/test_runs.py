"""Runs that W&B keeps offline, and those on a server, are experiments too: runs of one experiment are one."""

import json
import shutil
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest

from pipeline import tracking
from pipeline.applications.comparing import online
from pipeline.applications.comparing.runs import Run, grouped, read, run_folders
from pipeline.applications.comparing.sources import named
from pipeline.applications.comparing.table import metric_rows, param_rows
from pipeline.errors import UserError
from pipeline.params import Synthesize
from tests.applications.comparing.conftest import PARAMS
from tests.conftest import ROOT
from tests.tracking.runs import isolate
from tests.tracking.server import ERROR, SILENT
from tests.tracking.server import Server as FailingServer

TOP1 = {"value": 0.5, "low": 0.4, "high": 0.6, "n": 48}
KEY = "a" * 40


def fail(section: Synthesize) -> None:
    with tracking.run("train", section) as run:
        run.log({"val/psnr": 17.0}, images=100)
        raise ZeroDivisionError


@pytest.fixture(scope="module")
def tracked(tmp_path_factory):
    """W&B's folder after two stages of an experiment, and one of another that failed."""
    import wandb

    folder = tmp_path_factory.mktemp("tracked")
    with pytest.MonkeyPatch.context() as monkeypatch:
        isolate(folder, monkeypatch)
        monkeypatch.setenv("WANDB_MODE", "offline")
        section = Synthesize(samples_per_subject=1, grid_subjects=2, grid_samples=3)
        monkeypatch.setenv("DVC_EXP_NAME", "sunny-fox")
        with tracking.run("synthesize", section) as run:
            run.picture("synthesize/grid", np.full((8, 12, 3), 9, np.uint8), "a row a person")
            run.metrics(Path("m.json"), {"synthesize/images": 2})
        with tracking.run("evaluate") as run:
            run.log({"judge/top1": 0.25, "val/psnr": 18.0}, images=100)
            run.log({"val/psnr": 19.0}, images=200)
            run.table(Path("evaluate/plots/roc.csv"), ["log10", "real"], [[-1, 0.5], [0, 1]], "ROC")
            run.metrics(Path("m.json"), {"identity/top1": TOP1, "realism/images": 768}, {"truth/psnr": "unknown"})
        monkeypatch.setenv("DVC_EXP_NAME", "rainy-owl")
        with pytest.raises(ZeroDivisionError):
            fail(section)
        wandb.teardown()
    return folder / "wandb"


@pytest.fixture(scope="module")
def runs(tracked):
    return read(run_folders(tracked))


@pytest.fixture(scope="module")
def found(runs):
    return {experiment.name: experiment for experiment in grouped(runs)}


def test_stages_of_an_experiment_are_one(found):
    fox = found["sunny-fox"]
    assert list(found) == ["sunny-fox", "rainy-owl"]
    assert fox.says.endswith(": synthesize, evaluate")
    assert fox.params == {
        f"synthesize.{k}": v for k, v in (("samples_per_subject", 1), ("grid_subjects", 2), ("grid_samples", 3))
    }


def test_their_metrics_have_the_keys_of_the_metrics_files(found):
    metrics = found["sunny-fox"].metrics
    assert sorted(metrics) == ["identity/top1", "realism/images", "synthesize/images", "val/psnr"]
    assert metrics["identity/top1"]._asdict() == TOP1


def test_their_curves_tables_and_grid_are_there(found):
    fox = found["sunny-fox"]
    assert fox.curves["val/psnr"] == ("images", [(100, 18), (200, 19)])
    assert fox.curves["roc: real"] == ("log10", [(-1, 0.5), (0, 1)])
    assert fox.picture
    assert fox.picture.name.startswith("grid")


def test_a_run_that_failed_shows_how_far_it_got(found):
    owl = found["rainy-owl"]
    assert owl.says.endswith(": train (unfinished)")
    assert owl.metrics["val/psnr"].value == 17


def test_folders_of_runs_stand_beside_a_revision(project, runs, monkeypatch):
    monkeypatch.chdir(project.top)
    fox = [str(run.folder) for run in runs if run.group == "sunny-fox"]
    experiments = named(["HEAD", *fox, "baseline"])
    assert [experiment.name for experiment in experiments] == ["HEAD", "sunny-fox", "baseline"]
    (top1,) = [row for row in metric_rows(experiments) if row.key == "identity/top1"]
    assert top1.cells[1].difference == pytest.approx(-0.4)
    assert param_rows(experiments[:2]) == ({}, {})  # neither knows the sections of the other


def of(stage: str, group: str = "fox", identity: str = "1", **more) -> Run:
    parts = {"begun": "2026-01-02", "finished": True, "config": {}, "summary": {"val/psnr": 18.0}, "history": []}
    return Run(identity, stage, group, **parts | more)


def test_a_stage_that_ran_twice_begins_another_column_and_one_that_was_resumed_does_not():
    again = grouped([of("train"), of("evaluate", identity="2"), of("train", identity="3", summary={"val/psnr": 19})])
    assert [(e.name, e.metrics["val/psnr"].value) for e in again] == [("fox (1)", 18), ("fox (2)", 19)]
    points = [[{"images": 1, "val/psnr": 1}], [{"images": 1, "val/psnr": 2}, {"images": 2, "val/psnr": 3}]]
    (resumed,) = grouped([of("train", history=part) for part in points])
    assert resumed.curves["val/psnr"].points == [(1, 2), (2, 3)]


def test_a_picture_outside_the_folder_of_the_run_is_not_read(tmp_path):
    (tmp_path / "secret.png").write_bytes(b"x")
    (tmp_path / "run/files").mkdir(parents=True)
    (tmp_path / "run/files/link.png").symlink_to(tmp_path / "secret.png")
    for path in ("../../secret.png", str(tmp_path / "secret.png"), "link.png"):
        summary = {"val/psnr": 18.0, "synthesize/grid.path": path, "evaluate/roc.path": path}
        (experiment,) = grouped([of("evaluate", summary=summary, folder=tmp_path / "run")])
        assert (experiment.picture, experiment.curves) == (None, {})


def test_a_run_without_metrics_is_one_sentence():
    with pytest.raises(UserError, match="fox: its run of prepare holds no metrics"):
        grouped([of("prepare", summary={})])


@pytest.fixture
def copied(tmp_path, runs):
    """A folder of a run of `evaluate`, to be damaged, and the file in it with the record."""
    folder = tmp_path / "offline-run-20260102_030405-damaged"
    shutil.copytree(runs[1].folder, folder)
    (record,) = folder.glob("run-*.wandb")
    return folder, record


@pytest.mark.parametrize("content", [None, b"", b"something else"])
def test_a_damaged_folder_is_one_sentence(copied, content):
    folder, record = copied
    record.unlink() if content is None else record.write_bytes(content)
    with pytest.raises(UserError) as raised:
        read([folder])
    assert str(raised.value).startswith(f"{folder}: ")
    assert str(raised.value).endswith("leave it out")
    assert "\n" not in str(raised.value)


def test_a_run_that_was_cut_off_is_read_as_far_as_it_goes(copied):
    folder, record = copied
    record.write_bytes(record.read_bytes()[:-200])
    (cut,) = grouped(read([folder]))
    assert cut.says.endswith(": evaluate (unfinished)")
    assert cut.metrics["val/psnr"].value == 19


class Server(BaseHTTPRequestHandler):
    """As much of W&B's GraphQL as it takes to ask for a run and its files."""

    FILES: ClassVar = {
        "media/images/synthesize/grid_1_ab.png": (ROOT / "docs/grid.png").read_bytes(),
        "media/table/evaluate/roc/rows_1_ab.table.json": json.dumps(
            {"columns": ["log10", "real"], "data": [[-1, 0.5], [0, 1]]}
        ).encode(),
        "../../outside.png": b"x",
    }
    RUN: ClassVar = {
        "id": "x",
        "name": "1abc",
        "displayName": "evaluate main@1a2b3c4",
        "state": "finished",
        "group": "main@1a2b3c4",
        "jobType": "evaluate",
        "createdAt": "2026-01-02T03:04:05Z",
        "tags": [],
        "user": {"name": "Ada", "username": "ada"},
        "historyKeys": {"keys": {}, "lastStep": 1},
        "historyLineCount": 2,
        "systemMetrics": "{}",
        "config": json.dumps({"train": {"value": {"images": 21000}}, "_wandb": {"value": {}}}),
        "summaryMetrics": json.dumps(
            {
                "identity/top1": TOP1,
                "_step": 1,
                "synthesize/grid": {"_type": "image-file", "size": 3, "path": "media/images/synthesize/grid_1_ab.png"},
                "evaluate/roc/rows": {"_type": "table-file", "path": "media/table/evaluate/roc/rows_1_ab.table.json"},
                "evaluate/by_yaw/rows": {"_type": "table-file", "path": "../../outside.png"},
            }
        ),
        "history": [json.dumps({"_step": n, "images": 100 * n, "val/psnr": 18.0 + n}) for n in (0, 1)],
        "parquetHistory": {"liveData": [], "parquetUrls": []},
    }
    VIEWER: ClassVar = {
        "id": "x",
        "entity": "ada",
        "username": "ada",
        "email": "",
        "flags": "{}",
        "teams": {"edges": []},
    }

    def do_POST(self):
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        variables = asked.get("variables", {})
        run = {"projectId": "1", **self.RUN, "files": self.files(variables.get("fileNames") or ())}
        known = variables.get("name", "1abc") == "1abc"
        project = {"id": "1", "internalId": "1", "run": run if known else None}
        answer = {"viewer": self.VIEWER} if "viewer" in asked["query"] else {"project": project}
        self.answer(json.dumps({"data": answer}).encode())

    def do_GET(self):
        self.answer(self.FILES[self.path.removeprefix("/files/")])

    def files(self, names):
        size = {name: len(content) for name, content in self.FILES.items()}
        address = f"http://127.0.0.1:{self.server.server_port}/files"
        nodes = [
            {"id": name, "name": name, "url": f"{address}/{name}", "directUrl": None, "sizeBytes": size[name]}
            | {"mimetype": "", "updatedAt": "", "md5": ""}
            for name in names
        ]
        page = {"endCursor": None, "hasNextPage": False}
        return {"edges": [{"node": node, "cursor": node["id"]} for node in nodes], "pageInfo": page}

    def answer(self, content):
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Server) as made:
        threading.Thread(target=made.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{made.server_port}"
        made.shutdown()


@pytest.mark.slow
def test_a_run_on_a_server_is_compared_by_who_has_a_key(project, server):
    found = project.as_json("baseline", "ada/facet/1abc", WANDB_BASE_URL=server, WANDB_API_KEY=KEY)
    assert found["experiments"][1] == {"name": "main@1a2b3c4", "says": "W&B, 2026-01-02: evaluate"}
    assert found["params"] == {"train.images": [PARAMS["train"]["images"], 21000], "train.batch_size": [32, None]}
    assert found["metrics"]["identity/top1"][1]["value"] == TOP1["value"]
    assert "synthesize/grid" not in found["metrics"]
    page = (project.top / "results/compare/index.html").read_text()
    assert "val/psnr" in page
    assert 'alt="the grid of main@1a2b3c4"' in page
    assert 'aria-label="roc: real: main@1a2b3c4 1"' in page
    assert not [path for path in project.top.parent.rglob("outside.png")]


@pytest.mark.slow
@pytest.mark.parametrize("behaviour", [SILENT, ERROR, "refuses"])
def test_a_server_that_fails_is_one_sentence_in_time(tmp_path, monkeypatch, behaviour):
    import wandb

    isolate(tmp_path, monkeypatch)
    server = FailingServer(behaviour)
    if behaviour == "refuses":
        server.close()
    monkeypatch.setenv("WANDB_API_KEY", KEY)
    monkeypatch.setenv("WANDB_BASE_URL", server.url)
    monkeypatch.setattr(online, "RUN_SECONDS", 3)
    began = time.monotonic()
    with pytest.raises(UserError) as raised:
        online.run_of("ada/facet/1abc")
    said = str(raised.value)
    assert said.startswith(
        f"ada/facet/1abc: neither a git revision nor an experiment, and {server.url} gave no such run ("
    )
    assert "\n" not in said
    assert time.monotonic() - began < 10
    server.close()
    wandb.teardown()


@pytest.mark.slow
def test_a_run_that_the_server_does_not_have_is_one_sentence(project, server):
    done = project.compare("ada/facet/nothing", WANDB_BASE_URL=server, WANDB_API_KEY=KEY)
    assert done.returncode == 1
    assert done.stderr.startswith("ada/facet/nothing: neither a git revision nor an experiment, and http")
    assert "Could not find run" in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_without_a_key_no_server_is_asked(project):
    done = project.compare("ada/facet/1abc", WANDB_BASE_URL="http://127.0.0.1:9")
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "takes a key: `wandb login`" in done.stderr
