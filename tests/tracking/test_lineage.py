"""Which data made which number is in W&B, whether or not the stage that made the data ran this time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import provenance, tracking
from pipeline.tracking import lineage
from tests.conftest import ROOT
from tests.tracking import runs
from tests.tracking.server import WORKS

STAGES = """
stages:
  prepare: {outs: [data/faces, results/prepare/metrics.json: {cache: false}]}
  train: {deps: [data/faces, code.py], outs: [models/train]}
  evaluate: {deps: [models/train, data/faces], outs: [results/evaluate/cases]}
"""


@pytest.fixture
def project(folder):
    """Three stages, none of which ran."""
    Path("dvc.yaml").write_text(STAGES)
    Path("code.py").write_text("1")
    return folder


def stage(name, *made, **metadata):
    """A stage that makes these files."""
    with tracking.run(name) as run:
        for path in map(Path, made):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(name)
        if metadata:
            run.reference("faces", Path("data/faces"), metadata)


def artifacts(run):
    """What a run used and what it made: name -> artifact."""
    found = runs.of_type(run, "artifact")
    used = {artifact["name"]: artifact for artifact in found if artifact.get("use_after_commit")}
    return used, {artifact["name"]: artifact for artifact in found if not artifact.get("use_after_commit")}


@pytest.mark.slow
def test_a_stage_uses_the_very_versions_that_others_made(project):
    stage("prepare", "data/faces/a.tar", "data/faces/index", "results/prepare/metrics.json", images=7)
    stage("train", "models/train/a.safetensors")
    stage("evaluate", "results/evaluate/cases/a.png")
    (used_0, prepared), (used_1, trained), (used_2, evaluated) = map(artifacts, runs.kept(project))
    assert used_0 == {}
    assert prepared.keys() == {"faces", "prepare-metrics.json"}
    assert used_1.keys() == {"faces"}  # the code is in git
    assert trained.keys() == {"train"}
    assert used_2.keys() == {"faces", "train"}
    assert evaluated.keys() == {"evaluate-cases"}
    assert used_1["faces"]["digest"] == used_2["faces"]["digest"] == prepared["faces"]["digest"]
    assert used_2["train"]["digest"] == trained["train"]["digest"]
    assert len({used_2["faces"]["digest"], used_2["train"]["digest"]}) == 2
    assert {artifact["type"] for artifact in used_2.values()} == {"dataset", "model"}


@pytest.mark.slow
def test_an_artifact_has_dvc_s_md5_says_where_it_lies_and_keeps_no_bytes(project):
    stage("prepare", "data/faces/a.tar", "data/faces/index", images=7)
    (run,) = runs.kept(project)
    _, made = artifacts(run)
    (entry,) = made["faces"]["manifest"]["contents"]
    md5 = provenance.md5(Path("data/faces"))
    assert entry == {"path": "data/faces", "digest": md5, "ref": (project / "data/faces").as_uri(), "size": "14"}
    assert json.loads(made["faces"]["metadata"]) == {"path": "data/faces", "dvc_md5": md5, "images": 7}
    assert made["faces"]["aliases"] == ["latest"]
    assert not list(run.rglob("*.tar"))
    assert runs.recorded(project)["config"]["outs"] == {"data/faces": md5}


@pytest.mark.slow
def test_other_bytes_are_another_version(project):
    stage("prepare", "data/faces/a.tar")
    Path("data/faces/a.tar").write_text("other")
    stage("train")
    (_, made), (used, _) = map(artifacts, runs.kept(project))
    assert used["faces"]["digest"] != made["faces"]["digest"]


def test_a_stage_that_fails_made_nothing(project):
    with pytest.raises(RuntimeError), tracking.run("train"):  # noqa: PT012
        Path("models/train").mkdir(parents=True)
        raise RuntimeError
    (run,) = runs.kept(project)
    assert artifacts(run) == ({}, {})


@pytest.mark.slow
def test_uploaded_later_the_server_is_told_who_made_and_who_used_it(project, serve):
    stage("prepare", "data/faces/a.tar")
    stage("train", "models/train/a")
    server = serve(WORKS)
    for run in runs.kept(project):  # of several at once, W&B takes any first
        subprocess.run([Path(sys.executable).with_name("wandb"), "sync", run], capture_output=True, check=True)
    created = [asked["input"] for asked in server.of("CreateArtifact")]
    named = [(a["artifactCollectionName"], bool(a["runName"])) for a in created]
    assert named[0] == ("faces", True)
    assert set(named[1:]) == {("faces", False), ("train", True)}  # of one run, W&B sends any first
    assert len(named) == 3
    assert len({a["digest"] for a in created if a["artifactCollectionName"] == "faces"}) == 1
    assert all(artifact["enableDigestDeduplication"] for artifact in created)
    (used,) = (asked["input"] for asked in server.of("UseArtifact"))
    assert used["runName"] in str(runs.kept(project)[1])


def test_a_folder_is_described_under_the_name_that_its_artifact_has():
    run = tracking.Run(None)
    run.reference("faces", Path("data/faces"), {})
    with pytest.raises(ValueError, match="the artifact of models/train is named train, not faces"):
        run.reference("faces", Path("models/train"), {})


def test_each_out_of_the_pipeline_has_a_name_of_its_own(monkeypatch):
    monkeypatch.chdir(ROOT)
    outs = provenance.made()
    assert len(outs) > 20
    assert len({lineage.artifact_name(path) for path in outs}) == len(outs)
    assert {Path(path).parts[0] for path in outs} == lineage.TYPES.keys()
