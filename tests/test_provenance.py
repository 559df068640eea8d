"""Where results come from is found with git and DVC, and without them."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from pipeline import provenance
from tests.conftest import ROOT


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def commit(folder):
    """A repository with one commit of code, results and a lock; its short hash."""
    Path("code.py").write_text("1")
    Path("results").mkdir()
    Path("results/metrics.json").write_text("1")
    Path("dvc.lock").write_text("{}")
    who = ["-c", "user.name=Test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false"]
    for command in (["init", "-q", "-b", "work"], ["add", "-A"], [*who, "commit", "-q", "-m", "all"]):
        subprocess.run(["git", *command], check=True)
    return subprocess.check_output(["git", "rev-parse", "--short", "HEAD"], text=True).strip()


def test_a_revision_is_branch_and_commit(commit):
    assert provenance.revision() == f"work@{commit}"


def test_changed_code_makes_it_dirty(commit):
    Path("code.py").write_text("2")
    assert provenance.revision() == f"work@{commit}-dirty"


def test_what_stages_write_does_not_make_it_dirty(commit):
    Path("results/metrics.json").write_text("2")
    Path("dvc.lock").write_text("{a: 1}")
    Path("new.txt").write_text("not in git")
    assert provenance.revision() == f"work@{commit}"


def test_a_detached_head_says_so(commit):
    subprocess.run(["git", "checkout", "-q", "--detach"], check=True)
    assert provenance.revision() == f"detached@{commit}"


def test_a_folder_without_git_is_unversioned():
    assert provenance.revision() == "unversioned"


def test_a_repository_without_a_commit_is_unversioned():
    subprocess.run(["git", "init", "-q"], check=True)
    assert provenance.revision() == "unversioned"


def test_a_machine_without_git_is_unversioned(monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert provenance.revision() == "unversioned"


def test_lineage_of_what_other_stages_made_is_in_their_outs():
    Path("dvc.yaml").write_text("stages:\n  prepare: {}\n  train: {deps: [data/faces, models/pretrain]}\n")
    Path("dvc.lock").write_text(
        "stages:\n"
        "  prepare: {outs: [{path: data/faces, md5: aaa.dir}, {path: results/prepare, md5: bbb}]}\n"
        "  pretrain: {outs: [{path: models/pretrain, md5: ccc.dir}]}\n"
        "  train: {deps: [{path: data/faces, md5: old.dir}], outs: [{path: models/train, md5: ddd}]}\n"
    )
    assert provenance.lineage("train") == {"data/faces": "aaa.dir", "models/pretrain": "ccc.dir"}


@pytest.mark.slow
def test_hashes_of_code_are_those_that_dvc_writes_into_its_lock():
    for name in ("code/b.py", "code/a/z.py", "code/a.py", "code/__pycache__/x.pyc", "one.py", "empty/.gitkeep"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).write_text(name)
    Path("dvc.yaml").write_text(
        "stages:\n  copy: {cmd: cp one.py two.py, deps: [code, empty, one.py], outs: [two.py]}\n"
    )
    (Path(".dvcignore")).write_text((ROOT / ".dvcignore").read_text())
    env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": os.getcwd()}
    for command in (["git", "init", "-q"], ["dvc", "init", "-q"], ["dvc", "repro", "-q"]):
        subprocess.run(command, check=True, env=env)
    (stage,) = YAML(typ="safe").load(Path("dvc.lock").read_text())["stages"].values()
    assert provenance.lineage("copy") == {dep["path"]: dep["md5"] for dep in stage["deps"]}


def test_lineage_is_of_what_is_there_and_not_of_what_dvc_saw_last():
    Path("dvc.yaml").write_text("stages:\n  prepare: {outs: [faces]}\n  train: {deps: [faces]}\n")
    Path("dvc.lock").write_text("stages:\n  prepare: {outs: [{path: faces, md5: old}]}\n")
    Path("faces").write_text("new")
    assert provenance.lineage("train") == {"faces": hashlib.md5(b"new").hexdigest()}


@pytest.mark.parametrize("limit", ["HASHED_BYTES", "HASHED_FILES"])
def test_what_takes_long_to_hash_has_the_md5_that_dvc_locked_or_none(monkeypatch, limit):
    monkeypatch.setattr(provenance, limit, 2)
    Path("dvc.yaml").write_text("stages:\n  train: {deps: [faces, photos]}\n")
    Path("dvc.lock").write_text("stages:\n  prepare: {outs: [{path: faces, md5: aaa.dir}]}\n")
    for name in ("faces", "photos"):
        Path(name).mkdir()
        for number in range(4):
            (Path(name) / str(number)).write_text("1")
    assert provenance.lineage("train") == {"faces": "aaa.dir"}


def test_lineage_follows_a_dep_that_params_yaml_names():
    Path("dvc.yaml").write_text("stages:\n  prepare: {deps: ['${data.photos}', '${data.unheard_of}']}\n")
    Path("params.yaml").write_text("data: {photos: mine}\n")
    Path("mine").mkdir()
    assert provenance.lineage("prepare") == {"mine": "d751713988987e9331980363e24189ce.dir"}


def test_what_cannot_be_read_is_left_out_of_the_lineage():
    Path("dvc.yaml").write_text(f"stages:\n  prepare: {{deps: [{'too-long' * 40}]}}\n")
    assert provenance.lineage("prepare") == {}


def test_outs_are_what_dvc_yaml_says_however_it_says_it():
    Path("dvc.yaml").write_text("stages:\n  a: {outs: [x, y: {cache: false}]}\n  b: {outs: [z]}\n  c: {}\n")
    assert [provenance.outs(stage) for stage in ("a", "c", "unheard of")] == [["x", "y"], [], []]
    assert provenance.made() == {"x", "y", "z"}


def test_lineage_before_the_first_run_is_empty():
    assert provenance.lineage("train") == {}


def test_the_environment_is_named_in_words():
    facts = provenance.environment()
    assert all(isinstance(value, str) and value for value in facts.values())
    assert {"git", "python", "torch", "processor", "cores", "accelerator"} <= facts.keys()


def test_what_a_stage_was_last_run_with_is_as_dvc_recorded_it(folder):
    assert provenance.recorded("evaluate") == {}
    lock = "stages: {evaluate: {cmd: x, deps: [{path: models/train, md5: 1f.dir}], outs: [{path: made.json, md5: 2e}]}}"
    Path("dvc.lock").write_text(lock)
    assert provenance.recorded("evaluate") == {"models/train": "1f.dir", "made.json": "2e"}
    assert provenance.recorded("train") == {}
