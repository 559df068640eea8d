"""A W&B sweep: what sweep.yaml names is here, and a run of it is a DVC experiment with the swept metric."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML
from wandb.sdk.launch.sweeps.utils import create_sweep_command, create_sweep_command_args

from pipeline.params import load_params

ROOT = Path(__file__).parent.parent
SWEEP: dict[str, Any] = YAML(typ="safe").load((ROOT / "sweep.yaml").read_text(encoding="utf-8"))
COMMAND = create_sweep_command(SWEEP["command"])
DVC_YAML = """
stages:
  evaluate:
    cmd: python measure.py
    params: [a.b]
    deps: [measure.py]
    metrics: [results/evaluate/metrics.json: {cache: false}]
"""
MEASURE = """
import json, os, pathlib, time
if "b: 600" in pathlib.Path("params.yaml").read_text():
    pathlib.Path("started").write_text(str(os.getpid()))
    time.sleep(600)
os.makedirs("results/evaluate", exist_ok=True)
seen = float("WANDB_RUN_ID" in os.environ or "WANDB_SWEEP_ID" in os.environ)
values = {"identity/top1": {"value": 0.75, "low": 0.5, "high": 1.0}, "seen": seen}
json.dump(values, open("results/evaluate/metrics.json", "w"))
"""


def values(parameter: dict[str, Any]) -> list[Any]:
    """The ends of what is tried."""
    if "value" in parameter:
        return [parameter["value"]]
    return parameter.get("values") or [parameter["min"], parameter["max"]]


def arguments(settings: dict[str, Any]) -> list[str]:
    """What W&B's agent would run, after the program."""
    made = create_sweep_command_args({"args": {key: {"value": value} for key, value in settings.items()}})
    made["env"] = ["/usr/bin/env"]
    words = [made.get(word[2:-1], [word]) if word.startswith("${") else [word] for word in map(str, COMMAND)]
    return [word for group in words for word in group]


@pytest.mark.parametrize("end", [0, -1])
def test_its_values_make_valid_params(end, tmp_path):
    """Through W&B's own way of handing them over, and DVC's of taking them."""
    tried = {key: values(parameter)[end] for key, parameter in SWEEP["parameters"].items()}
    program, settings = arguments(tried)[:4], arguments(tried)[4:]
    assert program == ["/usr/bin/env", ".venv/bin/python", "-m", "tools.sweep"]
    shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(tmp_path / "params.yaml", settings)  # refuses a key that is in no params
    params = load_params(tmp_path / "params.yaml").model_dump()
    for key, value in tried.items():
        at: Any = params
        for part in key.split("."):
            at = at[part]
        assert at == value, key


def test_its_metric_is_one_that_evaluate_measures():
    committed = json.loads((ROOT / "results/evaluate/metrics.json").read_text(encoding="utf-8"))
    assert SWEEP["metric"]["name"] in committed


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A pipeline of one stage, which measures whether it sees the sweep."""
    place = tmp_path / "project"
    for folder in ("tools", "pipeline"):
        shutil.copytree(ROOT / folder, place / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "dvc.yaml").write_text(DVC_YAML)
    (place / "measure.py").write_text(MEASURE)
    (place / "params.yaml").write_text("a: {b: 1}\n")
    (place / ".gitignore").write_text("__pycache__\nwandb\n.facet\n")
    for command in (
        ["git", "init", "--quiet"],
        ["git", "config", "user.name", "sweep"],
        ["git", "config", "user.email", "sweep@localhost"],
        [sys.executable, "-m", "dvc", "init", "--quiet"],
        ["git", "add", "."],
        ["git", "commit", "--quiet", "--message=first"],
    ):
        subprocess.run(command, cwd=place, env=environment(place), check=True)
    return place


def environment(place: Path) -> dict[str, str]:
    env = {**os.environ, "DVC_SITE_CACHE_DIR": str(place.parent / "site"), "DVC_NO_ANALYTICS": "1"}
    return {**env, "WANDB_SWEEP_ID": "swept123", "WANDB_RUN_ID": "run45678", "WANDB_MODE": "offline"}


def sweep(place: Path, *settings: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.sweep", *settings]
    return subprocess.run(command, cwd=place, env=environment(place), capture_output=True, text=True, check=False)


def summary(place: Path) -> tuple[str, dict[str, Any]]:
    """The id and the summary of the one run, as W&B reads them."""
    (run,) = (place / "wandb").glob("offline-run-*")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--summary", "--json", str(run)]
    told = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    return run.name.rpartition("-")[2], told


@pytest.mark.slow
def test_a_run_of_a_sweep_is_an_experiment_and_has_the_metric_as_a_number(project):
    done = sweep(project, "a.b=2")
    assert done.returncode == 0, done.stderr
    assert "b: 2" in (project / "params.yaml").read_text()
    refs = subprocess.run(["git", "for-each-ref", "refs/exps"], cwd=project, capture_output=True, text=True, check=True)
    assert "/sweep-run45678\n" in refs.stdout
    run_id, told = summary(project)
    assert run_id == "run45678"
    assert told["summary"]["identity/top1"] == 0.75
    assert told["summary"]["seen"] == 0  # a stage has a run of its own


@pytest.mark.slow
def test_a_run_that_fails_says_so_to_the_sweep(project):
    done = sweep(project, "no.such=1")
    assert done.returncode not in (0, 2)
    assert "identity/top1" not in summary(project)[1].get("summary", {})


@pytest.mark.slow
def test_a_run_that_is_stopped_takes_its_stage_with_it(project):
    command = [sys.executable, "-m", "tools.sweep", "a.b=600"]
    started = project / "started"
    with subprocess.Popen(command, cwd=project, env=environment(project), stdout=subprocess.DEVNULL) as process:
        while not (started.exists() and started.read_text()):
            assert process.poll() is None
            time.sleep(0.1)
        stage = psutil.Process(int(started.read_text()))
        process.send_signal(signal.SIGTERM)  # as the agent does
        assert process.wait(60) == 128 + signal.SIGTERM
    assert psutil.wait_procs([stage], timeout=15) == ([stage], [])


@pytest.mark.parametrize("settings", [(), ("a.b",)])
def test_settings_that_are_none_are_refused(settings):
    done = sweep(ROOT, *settings)
    assert (done.returncode, done.stderr) == (
        2,
        f"sweep: give settings as KEY=VALUE (got {' '.join(settings) or 'none'})\n",
    )
