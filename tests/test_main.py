"""The command line as a person meets it: what it offers, and what it says at once rather than after hours."""

import os
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from pipeline import commands, paths, stages
from pipeline.__main__ import parser
from pipeline.errors import UserError
from tests.applications.test_recombine import save_model
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


PHOTOGRAPHS = {  # command -> all else that it wants, and what its photographs are called
    "recombine": ("--out c.png", ["--subject", "--sample"]),
    "recombine --paste": ("--out c.png", ["--subject", "--sample"]),
    "recombine --samples folder": ("--out grid", ["--subject"]),
    "frontalize": ("--out c.png", ["--subject", "--template"]),
    "morph": ("--out c.gif", ["--subject", "--to-subject", "--sample", "--to-sample"]),
    "edit": ("--attribute yaw --by 20 --out c.png", ["--photograph"]),
    "inpaint": ("--person ada --out c.png", ["--photograph", "--mask"]),
    "detect-adversarial": ("", [""]),
}


def asked(line):
    arguments = parser().parse_args(line.split())
    arguments.run(arguments)


def lines(gone):
    """A command line for each photograph of each command, of which that one has this name, and the others are there."""
    return [
        " ".join([command, *(f"{name} {gone if name == missing else 'here.png'}" for name in names), rest])
        for command, (rest, names) in PHOTOGRAPHS.items()
        for missing in names
    ]


@pytest.fixture
def nothing_trained(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here.png").write_bytes(b"a picture")
    (tmp_path / "folder").mkdir()
    return tmp_path


@pytest.mark.parametrize("line", lines("gone.png"))
def test_a_photograph_that_is_not_there_is_said_before_a_model_that_is_not(nothing_trained, line):
    with pytest.raises(UserError, match=r"^gone.png: cannot be opened \(No such file or directory\)"):
        asked(line)


@pytest.mark.parametrize("line", lines("here.png"))
def test_without_a_model_it_says_how_to_get_one(nothing_trained, line):
    with pytest.raises(UserError, match=r"`make repro` or `dvc|`dvc exp run -S model.method=cvaegan`") as caught:
        asked(line)
    assert f"{paths.MODEL}/weights.safetensors is not there" in str(caught.value)
    assert "`dvc pull` where a DVC remote has it" in str(caught.value)


def test_standard_input_is_one_photograph(nothing_trained):
    for line in ("recombine --subject - --sample - --out c.png", "frontalize --subject - --template - --out c.png"):
        with pytest.raises(UserError, match="standard input holds one photograph"):
            asked(line)


def test_no_photograph_that_is_read_is_written_over(nothing_trained):
    (nothing_trained / "folder" / "a.png").write_bytes(b"another")
    for line in (
        "recombine --subject here.png --sample folder/a.png --out here.png",
        "recombine --subject here.png --sample folder/a.png --out folder/../folder/a.png",
        "recombine --subjects folder --samples here.png --out folder/a.png",
        "morph --subject here.png --sample here.png --to-sample folder/a.png --out here.png",
        "edit --photograph here.png --attribute yaw --by 20 --out here.png",
        "inpaint --photograph folder/a.png --mask here.png --person ada --out here.png",
    ):
        with pytest.raises(UserError, match=r"is one of the photographs that are read; .* --out"):
            asked(line)
    assert (nothing_trained / "here.png").read_bytes() == b"a picture"


@pytest.mark.parametrize("content", ['{"faces": 3}', "[1]", "no JSON"])
def test_nor_is_a_json_file_of_somebody_beside_a_new_folder(nothing_trained, content):
    (nothing_trained / "made.json").write_text(content)
    for line in ("recombine --subjects folder --samples folder", "morph --subject a --sample a --to-sample a"):
        with pytest.raises(UserError, match=r"made.json: is there already, and what is said of made goes there"):
            asked(f"{line} --out made")
    assert (nothing_trained / "made.json").read_text() == content
    (nothing_trained / "made.json").write_text('{"facet": "synthetic, made by Facet"}')  # of a folder that was deleted
    with pytest.raises(UserError, match=r"weights.safetensors is not there"):
        asked("recombine --subjects folder --samples folder --out made")


@pytest.mark.parametrize(
    "line", ["inspect folder", "augment --faces folder --out made", "augment --faces gone --out made"]
)
def test_a_folder_that_a_person_named_cannot_be_made_by_the_pipeline(nothing_trained, line):
    save_model(nothing_trained)
    with pytest.raises(UserError, match="holds no prepared faces; name a folder that `prepare` or `augment` wrote"):
        asked(line)


@pytest.mark.parametrize("line", ["demo --port 0 --model folder", "export --out made --model folder"])
def test_nor_can_a_model(nothing_trained, line):
    with pytest.raises(UserError, match="is not there; name a folder that `train` or `export` wrote"):
        asked(line)


def test_the_pipelines_own_faces_can(nothing_trained):
    with pytest.raises(UserError, match="data/faces is not there: make it with `dvc repro prepare`"):
        asked("inspect")


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
