"""`python -m pipeline train`, told to stop: it leaves in time, with the right exit code, and goes on from there."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from tests.conftest import ROOT
from tests.training import projects
from tests.training.projects import BATCH, Command, checkpoint, content, wait_for

pytestmark = pytest.mark.slow
LONG = {"train": {"images": BATCH * 5000}}  # longer than any test looks on
SECONDS = 15


def learning(folder, **env):
    """A command that has written its first checkpoint."""
    command = Command(folder, **env)
    wait_for(lambda: checkpoint(folder) or command.process.poll() is not None)
    assert command.process.poll() is None, command.said
    return command


@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_it_with_a_checkpoint_of_its_last_step(ready, tmp_path, number, code):
    folder = projects.copy(ready, tmp_path / "p", LONG)
    command = learning(folder, FACET_CHECKPOINT_IMAGES=str(BATCH * 2))
    ended, seconds = command.tell(number)
    assert ended == code, command.said
    assert seconds < SECONDS
    assert "Traceback" not in command.said
    said = re.search(rf"{number.name}: stopped after (\d+) of {BATCH * 5000} images; the same command", command.said)
    assert said, command.said
    assert torch.load(checkpoint(folder), weights_only=True)["batches_done"] == int(said[1]) // BATCH
    again = learning(folder)
    wait_for(lambda: "images" in again.said)
    assert f"Going on from {said[1]} images" in again.said
    again.tell(signal.SIGKILL)


def test_stopped_and_started_again_it_ends_as_if_it_had_not_been(ready, tmp_path):
    whole, folder = (projects.copy(ready, tmp_path / name) for name in ("whole", "stopped"))
    assert Command(whole).end() == 0
    assert learning(folder).tell(signal.SIGTERM)[0] == 143
    assert Command(folder).end() == 0
    assert content(folder) == content(whole)


def test_a_signal_before_the_fit_ends_it_without_a_traceback(ready, tmp_path):
    command = Command(projects.copy(ready, tmp_path / "p", LONG))
    wait_for(lambda: projects.work_of(command.folder).exists())
    ended, seconds = command.tell(signal.SIGTERM)
    assert ended == 143, command.said
    assert seconds < SECONDS
    assert "Traceback" not in command.said


HANGS = """
import sys, time
from torch import distributed
from pipeline import stopping
stopping.PATIENCE = 2
stopping.watch()
with stopping.deferred():
    print("ready", flush=True)
    store = distributed.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    store.wait(["never"])  # in C++, without a look at signals
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_process_that_hangs_in_c_leaves_all_the_same(number):
    process = subprocess.Popen([sys.executable, "-c", HANGS], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "ready\n"
    time.sleep(1)
    began = time.monotonic()
    process.send_signal(number)
    assert process.wait(10) == 128 + number
    assert 1.5 < time.monotonic() - began < 5
    process.stdout.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_it_ends_with_dvc_which_takes_it_up_again(ready, tmp_path, number):
    """The real `dvc repro`: Ctrl-C reaches all of a terminal; of the others it dies, and leaves its stage alone."""
    folder = projects.copy(ready, tmp_path / "p", LONG)
    shutil.copytree(ROOT / "pipeline", folder / "pipeline", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "dvc.yaml", folder)
    env = {**os.environ, "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1", "DVC_NO_ANALYTICS": "1"}
    env |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}", "FACET_CHECKPOINT_IMAGES": "4"}
    subprocess.run(["dvc", "init", "--no-scm", "--quiet"], cwd=folder, env=env, check=True)
    before: set[int] = set()
    for _ in range(2):
        with (folder / "dvc.log").open("w") as log:
            command = ["dvc", "repro", "--single-item", "train"]
            dvc = subprocess.Popen(command, cwd=folder, env=env, stderr=log, start_new_session=True)
        wait_for(lambda before=before: done(folder) - before)
        children = psutil.Process(dvc.pid).children(recursive=True)
        (train,) = [child for child in children if child.cmdline()[1:] == ["-m", "pipeline", "train"]]
        began = time.monotonic()
        os.killpg(dvc.pid, number) if number == signal.SIGINT else dvc.send_signal(number)
        assert dvc.wait() != 0
        psutil.wait_procs([train], timeout=SECONDS)
        assert not train.is_running(), time.monotonic() - began
        before = done(folder)
    assert "Going on from" in (folder / "dvc.log").read_text()
    assert not (folder / "models/train").exists()


def done(folder):
    file = checkpoint(folder)
    return {torch.load(file, weights_only=True)["batches_done"]} if file else set()


def test_it_goes_on_when_the_shell_is_gone_that_a_person_started_it_from(ready, tmp_path):
    folder = projects.copy(ready, tmp_path / "p", LONG)
    env = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    env["FACET_CHECKPOINT_IMAGES"] = str(BATCH)
    command = ["sh", "-c", f"{sys.executable} -m pipeline train & wait"]
    shell = subprocess.Popen(command, cwd=folder, env=env, stderr=subprocess.DEVNULL)
    wait_for(lambda: checkpoint(folder))
    (train,) = psutil.Process(shell.pid).children()
    shell.kill()
    shell.wait()
    time.sleep(4)
    assert train.is_running()
    train.kill()
