"""The command line as a person meets it: what it offers, and what it says at once rather than after hours."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from pipeline import commands, stages
from pipeline.__main__ import parser
from tests.conftest import ROOT


def run(top, *arguments):
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(top)}
    command = [sys.executable, "-m", "pipeline", *arguments]
    return subprocess.run(command, cwd=top, env=env, capture_output=True, text=True, check=False)


def test_help_lists_every_stage_and_command(tmp_path):
    done = run(tmp_path, "--help")
    assert done.returncode == 0
    for name in (*stages.NAMES, *(name.replace("_", "-") for name in commands.NAMES)):
        assert re.search(rf"^    {name}$|^    {name} ", done.stdout, re.MULTILINE), name


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("recombine", "metadata say that it is synthetic and by which model"),
        ("act", "metadata say that it is synthetic and by which model"),
        ("frontalize", "metadata say that the pictures are synthetic and by which model"),
        ("morph", "metadata say that the pictures are synthetic and by which model"),
        ("edit", "metadata say that it is synthetic and by which model"),
        ("inpaint", "metadata say that it is in part synthetic and by which model"),
        ("augment", "metadata of each picture and the index say that it is synthetic"),
        ("export", "What the model makes is synthetic"),
        ("detect-adversarial", "what other commands make is marked in its metadata as synthetic"),
    ],
)
def test_help_has_an_example_and_says_that_what_is_made_is_marked(monkeypatch, capsys, name, words):
    monkeypatch.setenv("COLUMNS", "2000")  # no line is broken
    with pytest.raises(SystemExit) as left:
        parser().parse_args([name, "--help"])
    assert left.value.code == 0
    said = capsys.readouterr().out
    assert f"Example: python -m pipeline {name} " in said
    assert words in said


def test_an_unknown_command_is_refused_with_the_known_ones(tmp_path):
    done = run(tmp_path, "trian")
    assert done.returncode == 2
    assert "invalid choice: 'trian'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_stage_that_nothing_is_shared_in_is_left_to_the_first_process(tmp_path):
    assert run(tmp_path, "report").returncode != 0  # there are no params
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "SLURM_PROCID": "1"}
    command = [sys.executable, "-m", "pipeline", "report"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, list(tmp_path.iterdir())) == (0, "", [])


def test_fid_without_its_weights_is_refused_before_the_first_stage_does_anything(tmp_path):
    params = yaml.safe_load((ROOT / "params.yaml").read_text())
    params["evaluate"]["inception"] = "on"
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    done = run(tmp_path, "prepare")
    assert done.returncode != 0
    assert "python -m pipeline fetch inception" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["params.yaml"]


def test_make_outside_a_git_repository_says_what_to_do(tmp_path):
    shutil.copy(ROOT / "Makefile", tmp_path)
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "GIT_CEILING_DIRECTORIES": str(tmp_path.parent)}
    done = subprocess.run(["make", "repro"], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "git init && git add . && git commit -m Facet" in done.stderr
    assert not (tmp_path / ".venv").exists()
