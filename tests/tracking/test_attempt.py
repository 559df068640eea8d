"""A run that ends well leaves what it was and took; so much is true of it, with and without W&B, git and DVC."""

import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
import torch

from pipeline import stages, tracking
from pipeline.params import Synthesize
from pipeline.tracking import attempt
from tests.tracking import runs

RECORD = Path("results/synthesize/run.json")
SECTION = Synthesize(samples_per_subject=1, grid_subjects=2, grid_samples=3)
BURN = "import time; end = time.process_time() + 1\nwhile time.process_time() < end: pass"


def ran(*sections, folder=None, images=0, environment=None):
    """What is written down of a run."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name, value in (environment or {}).items():
            monkeypatch.setenv(name, value)
        with tracking.run("synthesize", *sections, folder=folder, record=RECORD) as track:
            track.went_on(images)
    return json.loads(RECORD.read_text())


DISABLED = {"WANDB_MODE": "disabled"}


@pytest.mark.slow
def test_it_names_the_run_of_wandb(folder):
    said = ran(SECTION)
    (kept,) = runs.kept(folder)
    assert kept.name.endswith(f"-{said['wandb_id']}")
    assert (said["wandb_name"], said["group"]) == ("synthesize unversioned", "unversioned")


def test_without_wandb_git_or_dvc_it_says_so_and_all_else():
    said = ran(SECTION, environment=DISABLED | {"DVC_EXP_NAME": "sunny-fox"})
    assert (said["wandb_id"], said["wandb_name"]) == (None, None)
    assert (said["stage"], said["group"], said["revision"]) == ("synthesize", "sunny-fox", "unversioned")
    assert (said["processes"], said["images_before"], said["attempts"]) == (1, 0, [said["began"]])
    assert said["environment"].keys() >= {"processor", "cores", "accelerator", "torch"}
    began = datetime.fromisoformat(said["began"])
    assert abs((datetime.now(UTC) - began).total_seconds() - said["seconds"]) < 5
    assert said["processor_seconds"] > 0
    assert said["peak_memory"] > 20e6


def test_a_run_that_fails_leaves_none():
    with pytest.raises(RuntimeError), tracking.run("synthesize", SECTION, record=RECORD):
        raise RuntimeError
    assert not RECORD.exists()


def test_other_params_have_another_fingerprint():
    one, again, other = (
        ran(s, environment=DISABLED) for s in (SECTION, SECTION, SECTION.model_copy(update={"grid_samples": 4}))
    )
    assert one["params"] == again["params"] != other["params"]


def test_a_work_that_is_taken_up_again_counts_its_tries_and_says_where_it_went_on(folder):
    work = folder / "work"
    with pytest.raises(KeyboardInterrupt), tracking.run("synthesize", folder=work, record=RECORD):
        raise KeyboardInterrupt
    assert not RECORD.exists()
    said = ran(folder=work, images=640, environment=DISABLED)
    assert (len(said["attempts"]), said["attempts"][-1], said["images_before"]) == (2, said["began"], 640)


def test_processes_after_the_first_write_none():
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("RANK", "1")
        with tracking.run("synthesize", record=RECORD):
            pass
    assert not RECORD.exists()


def test_it_knows_the_stages_that_no_processes_share():
    assert attempt.ALONE == stages.UNSHARED


@pytest.mark.parametrize(
    ("environment", "count"),
    [
        pytest.param({}, 1, marks=pytest.mark.skipif(torch.cuda.device_count() > 1, reason="several GPUs")),
        ({"FACET_DEVICES": "2"}, 2),
        ({"TORCHELASTIC_RUN_ID": "1", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4"}, 8),
    ],
)
def test_it_counts_the_processes_that_share_a_stage(monkeypatch, environment, count):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert attempt.processes("train") == count
    assert attempt.processes("prepare") == 1


def test_the_time_of_processes_that_it_started_counts_while_they_run_and_when_they_have_ended():
    before = attempt.processor_seconds()
    code = f"{BURN}\nprint(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        running = attempt.processor_seconds()
        child.communicate(b"\n")
    ended = attempt.processor_seconds()
    assert 0.9 < running - before < 5
    assert running - 0.1 <= ended < running + 3


def test_the_memory_of_the_largest_of_them_is_told():
    code = "a = b'1' * 900_000_000; print(flush=True); input()"
    with subprocess.Popen([sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:
        child.stdout.readline()
        assert attempt.peak_memory() > 900e6
        child.communicate(b"\n")
