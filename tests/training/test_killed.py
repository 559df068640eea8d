"""`python -m pipeline train`, killed with SIGKILL and started again until it is done, ends as if it had not been."""

import json
import random
import shutil
import signal
import time

import pytest
import torch

from tests.training import projects
from tests.training.projects import BATCH, STEPS, Command, checkpoint, content, wait_for, written

WAYS = {
    "float32": {"train": {"precision": "32-true"}},
    "bf16": {"train": {"precision": "bf16-mixed"}},
    "cvaegan": {"model": {"method": "cvaegan"}, "train": {"precision": "32-true"}},
    "cvaegan_bf16": {"model": {"method": "cvaegan"}, "train": {"precision": "bf16-mixed"}},
}
SELDOM = {"cvaegan_bf16": pytest.mark.soak}  # the others have its parts


@pytest.fixture(scope="module", params=[pytest.param(way, marks=SELDOM.get(way, ())) for way in WAYS])
def undisturbed(ready, request, tmp_path_factory):
    """A project that ran through, the state at its last step, and how it is another one than `ready`."""
    folder = projects.copy(ready, tmp_path_factory.mktemp("whole") / "p", WAYS[request.param])
    return folder, last_state(folder), WAYS[request.param]


def last_state(folder):
    """Let `train` run to its end, but for the writing of its results: the last checkpoint is kept then."""
    obstacle = folder / "results/train"
    obstacle.touch()
    command = Command(folder)
    assert command.end() == 1, command.said
    assert checkpoint(folder), command.said
    state = torch.load(checkpoint(folder), weights_only=True)
    obstacle.unlink()
    command = Command(folder)
    assert command.end() == 0, command.said
    assert checkpoint(folder) is None
    return state


def same(a, b):
    """Bit for bit, whatever it is made of."""
    if isinstance(a, torch.Tensor):
        bits = (x.flatten().view(torch.uint8) for x in (a, b))
        return a.dtype == b.dtype and a.shape == b.shape and torch.equal(*bits)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return type(a) is type(b) and a == b


def killed(folder, times, rng, stage="train"):
    """Kill the command so many times, each time at a moment by chance behind another checkpoint."""
    for _ in range(times):
        command, before = Command(folder, stage), written(folder, stage)
        wait_for(lambda before=before, c=command: written(folder, stage) != before or c.process.poll() is not None)
        time.sleep(rng.uniform(0, 0.3))
        assert command.tell(signal.SIGKILL)[0] == -signal.SIGKILL, command.said
        # As if it had been in the midst of writing the next one, which takes too short a time to be met by chance.
        file = checkpoint(folder, stage)
        file.with_suffix(".part").write_bytes(file.read_bytes()[: rng.randrange(file.stat().st_size)])


@pytest.mark.slow
def test_killed_twice_it_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    _compare(undisturbed, tmp_path, ready, times=2, seed=0)


@pytest.mark.soak
def test_killed_ten_times_it_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    _compare(undisturbed, tmp_path, ready, times=10, seed=time.time_ns())


@pytest.mark.slow
def test_killed_before_its_first_checkpoint_it_starts_again_and_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    whole, _, way = undisturbed
    folder = projects.copy(ready, tmp_path / "p", way)
    command = Command(folder, FACET_CHECKPOINT_IMAGES=str(2 * BATCH * STEPS))
    wait_for(lambda: " images, " in command.said or command.process.poll() is not None)
    assert command.tell(signal.SIGKILL)[0] == -signal.SIGKILL, command.said
    assert checkpoint(folder) is None
    assert Command(folder).end() == 0
    assert content(folder) == content(whole)


@pytest.mark.slow
def test_killed_while_its_results_get_their_names_it_ends_with_the_same_bytes(undisturbed, tmp_path, ready):
    whole, _, way = undisturbed
    folder = projects.copy(ready, tmp_path / "p", way)
    command = Command(folder, WANDB_MODE="offline")  # which takes its time to finish, behind the last name
    wait_for(lambda: (folder / "models/train").exists() or command.process.poll() is not None)
    assert command.tell(signal.SIGKILL)[0] == -signal.SIGKILL, command.said
    for output in ("models/train", "results/train"):  # as DVC does before it runs the stage again
        shutil.rmtree(folder / output)
    command = Command(folder)
    assert command.end() == 0, command.said
    assert f"Going on from {BATCH * STEPS} images" in command.said
    assert content(folder) == content(whole)


@pytest.mark.slow
@pytest.mark.parametrize("stage", ["pretrain", "judge"])
def test_a_recogniser_that_is_killed_ends_with_the_same_bytes(ready, tmp_path, stage):
    """It learns from images that are changed at random."""
    small = {"images": BATCH * STEPS, "batch_size": BATCH, "augment": True, "precision": "32-true"}
    if stage == "judge":
        small |= {"width": 8, "features_dim": 16}
    whole, folder = (projects.copy(ready, tmp_path / name, {stage: small}) for name in ("whole", "killed"))
    assert Command(whole, stage).end() == 0
    killed(folder, 2, random.Random(0), stage)
    command = Command(folder, stage)
    assert command.end() == 0, command.said
    assert "Going on from" in command.said
    assert content(folder, stage) == content(whole, stage)


def _compare(undisturbed, tmp_path, ready, times, seed):
    whole, state, way = undisturbed
    folder = projects.copy(ready, tmp_path / "p", way)
    killed(folder, times, random.Random(seed))
    assert same(last_state(folder), state), seed
    assert content(folder) == content(whole), seed
    said = json.loads((folder / "results/train/run.json").read_text())
    assert len(said["attempts"]) == times + 2  # the last of them found the fit done
    assert said["images_before"] == BATCH * STEPS
