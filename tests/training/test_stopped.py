"""`python -m pipeline train`, told to stop: it leaves in time, with the right exit code, and goes on from there."""

import os
import re
import signal
import subprocess
import sys
import time

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
    wait_for(lambda: (command.folder / ".facet/work/train").exists())
    ended, seconds = command.tell(signal.SIGTERM)
    assert ended == 143, command.said
    assert seconds < SECONDS
    assert "Traceback" not in command.said


def test_a_second_ctrl_c_leaves_at_once(ready, tmp_path):
    """Also where the step hangs: the process is stopped (SIGSTOP) in it and goes on with two signals waiting."""
    command = learning(projects.copy(ready, tmp_path / "p", LONG))
    command.process.send_signal(signal.SIGINT)
    ended, _ = command.tell(signal.SIGINT)
    assert ended == 130, command.said


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


STARTED = """
import subprocess, sys
with open("parent.log", "w") as log:
    subprocess.run([sys.executable, "-m", "pipeline", "train"], stderr=log)
"""


@pytest.mark.parametrize("stage", ["train", None])
def test_it_ends_with_dvc_and_goes_on_without_a_terminal(ready, tmp_path, monkeypatch, stage):
    """Who started it is killed: DVC, which names the stage in the environment, or else a shell."""
    folder = projects.copy(ready, tmp_path / "p", LONG)
    inner = "import os, subprocess, sys; sys.exit(subprocess.run([sys.executable, '-m', 'pipeline', 'train']).returncode)"
    outer = f"import os, subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}], env={{**os.environ, **{{'DVC_STAGE': 'train'}}}})"
    if stage is None:
        outer = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])"
    env = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled", "OMP_NUM_THREADS": "1"}
    dvc = subprocess.Popen([sys.executable, "-c", outer], cwd=folder, env=env, stderr=subprocess.DEVNULL)
    wait_for(lambda: checkpoint(folder))
    (shell,) = psutil.Process(dvc.pid).children()
    (train,) = [child for child in shell.children() if "pipeline" in child.cmdline()]
    dvc.kill(), dvc.wait()
    if stage is None:
        shell.kill()
        time.sleep(5)
        assert train.is_running()
        train.kill()
    else:
        psutil.wait_procs([train, shell], timeout=SECONDS)
        assert not train.is_running()
        assert torch.load(checkpoint(folder), weights_only=True)["batches_done"] > 0
