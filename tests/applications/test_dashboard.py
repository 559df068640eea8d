"""`python -m pipeline dashboard`: what it shows is really logged, and a server gets it or one sentence says why not."""

import json
import os
import subprocess
import sys
import time
from itertools import chain

import pytest
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.applications import dashboard
from pipeline.applications.evaluation.table import HEADLINE
from pipeline.tracking import connection, dashboards
from pipeline.tracking.panels import Bars, Comparer, Drawn, Lines, Parallel, Pictures, Rows
from tests.conftest import ROOT
from tests.tracking.server import ERROR, SILENT, WORKS, Server

SECTIONS = (*dashboard.WORKSPACE, *dashboard.COMPARISON)
PANELS = [panel for section in SECTIONS for panel in section.panels]


def keys(*kinds):
    return sorted({key for panel in PANELS if isinstance(panel, kinds) for key in panel.keys})


def results():
    """Every number of the committed metrics files, as W&B addresses it in a summary."""
    found = {}
    for file in ROOT.glob("results/*/metrics.json"):
        for key, value in json.loads(file.read_text()).items():
            found |= {f"{key}.{part}": x for part, x in value.items()} if isinstance(value, dict) else {key: value}
    return found


@pytest.mark.parametrize("key", keys(Bars, Parallel))
def test_a_result_that_is_shown_is_a_number_of_a_metrics_file(key):
    """Those of a closed set are CVAE-GAN's, of which no metrics are committed: a name of the headline, then."""
    if key.startswith("closed_set/"):
        assert key in {f"{name}.value" for name in HEADLINE}
    else:
        assert isinstance(results().get(key), float)


@pytest.mark.parametrize("key", keys(Lines))
def test_a_curve_that_is_shown_is_a_column_of_a_curve(key):
    columns = [file.read_text().splitlines()[0].split(",") for file in ROOT.glob("results/*/plots/*.csv")]
    assert key in {column for header in columns if header[0] == "images" for column in header}


@pytest.mark.parametrize("key", sorted({panel.key for panel in PANELS if isinstance(panel, Rows | Drawn)}))
def test_a_table_that_is_shown_is_a_file_of_that_stage(key):
    stage, name = key.removesuffix("/rows").split("/")
    if key == paths.CASES.relative_to("results").as_posix():  # in DVC's cache: tests/stages/test_several_processes.py
        return
    assert [*ROOT.glob(f"results/{stage}/{name}.json"), *ROOT.glob(f"results/{stage}/plots/{name}.csv")]


def test_a_param_that_is_shown_is_in_params_yaml():
    params = YAML(typ="safe").load((ROOT / "params.yaml").read_text())
    for name in chain.from_iterable(panel.params for panel in PANELS if isinstance(panel, Parallel)):
        here = params
        for part in name.split("."):
            here = here[part]
        assert isinstance(here, int | float), name


def test_each_kind_of_panel_and_each_stage_is_shown():
    assert {type(panel) for panel in PANELS} == {Lines, Bars, Pictures, Rows, Drawn, Parallel, Comparer}
    stages = ("prepare", "pretrain", "judge", "train", "synthesize", "evaluate")
    assert tuple(section.stage for section in dashboard.WORKSPACE) == (None, *stages)


@pytest.mark.slow
def test_a_workspace_holds_every_key():
    spec = dashboards.as_workspace("Facet", "me", dashboard.WORKSPACE)._to_model().spec
    text = spec.model_dump_json(by_alias=True, exclude_none=True)
    shown = [panel for section in dashboard.WORKSPACE for panel in section.panels]
    for key in chain.from_iterable(panel.keys for panel in shown if not isinstance(panel, Rows | Drawn | Comparer)):
        assert f'{key}"' in text, key
    assert "config:model.value.width" in text
    assert "evaluate/roc/lines_table" in text


def run(folder, **env):
    """Exit code, standard output and standard error of the command, and how long it took."""
    began = time.monotonic()
    ours = {"PATH": os.environ["PATH"], "HOME": str(folder), "NETRC": str(folder / "none"), "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "pipeline", "dashboard"]
    done = subprocess.run(command, cwd=folder, env=ours | env, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout, done.stderr, time.monotonic() - began


def test_without_a_key_one_sentence_says_how_to_log_in(tmp_path):
    code, out, said, _ = run(tmp_path)
    assert (code, out) == (2, "")
    assert said == "dashboard: W&B knows of no key here: run `wandb login`, or set WANDB_API_KEY\n"


@pytest.fixture
def server(request):
    server = Server(request.param)
    yield server
    server.close()


@pytest.mark.slow
@pytest.mark.parametrize("server", [WORKS], indirect=True)
def test_a_server_gets_a_workspace_and_a_report_and_a_person_their_addresses(server, tmp_path):
    key = "0123456789abcdef" * 2 + "facebead"
    code, out, said, _ = run(tmp_path, WANDB_API_KEY=key, WANDB_BASE_URL=server.url, WANDB_PROJECT="faces")
    assert code == 0, said
    assert len(out.splitlines()) == 2
    assert all(line.startswith("http") and "/me/faces" in line for line in out.splitlines())
    saved = [asked for asked in (variables for _, variables in server.asked) if asked.get("spec")]
    assert [(view["type"], view["projectName"], view["displayName"]) for view in saved] == [
        ("project-view", "faces", "Facet"),
        ("runs", "faces", "Facet"),
    ]
    workspace, report = (json.dumps(json.loads(view["spec"])) for view in saved)
    assert all(f'"{section.title}"' in workspace for section in dashboard.WORKSPACE)
    assert all(f'"{section.title}"' in report for section in dashboard.COMPARISON)
    assert '{"key": {"section": "run", "name": "jobType"}, "op": "=", "value": "synthesize"' in report
    assert key not in out + said


@pytest.mark.slow
@pytest.mark.parametrize("server", [SILENT, ERROR, "refuses"], indirect=True)
def test_a_server_that_fails_is_one_sentence(server, tmp_path):
    if server.behaviour == "refuses":
        server.close()
    code, out, said, seconds = run(tmp_path, WANDB_API_KEY="0" * 40, WANDB_BASE_URL=server.url)
    assert (code, out) == (1, "")
    assert said.startswith(f"dashboard: {server.url} did not save it: ")
    assert len(said.splitlines()) == 1
    assert seconds < 3 * connection.CONNECT_SECONDS
