"""The environment: read once, checked, never a result."""

import pytest

from pipeline.errors import UserError
from pipeline.settings import Settings, is_first, launched, local_rank

# What they set on the second of two machines with four processes each, for the third process there.
TORCHRUN = {
    "TORCHELASTIC_RUN_ID": "none", "WORLD_SIZE": "8", "LOCAL_WORLD_SIZE": "4", "RANK": "6", "LOCAL_RANK": "2",
    "GROUP_RANK": "1",
}  # fmt: skip
SLURM = {
    "SLURM_JOB_NAME": "facet", "SLURM_NTASKS": "8", "SLURM_NTASKS_PER_NODE": "4", "SLURM_NNODES": "2",
    "SLURM_PROCID": "6", "SLURM_LOCALID": "2", "SLURM_NODEID": "1",
}  # fmt: skip


@pytest.fixture
def env(monkeypatch):
    return lambda variables: [monkeypatch.setenv(name, value) for name, value in variables.items()]


def test_nothing_set_is_one_machine_with_all_it_has():
    settings = Settings.read()
    assert (settings.devices, settings.nodes) == (None, 1)
    assert settings.workers >= 1


def test_values_are_read(monkeypatch):
    monkeypatch.setenv("FACET_DEVICES", "2")
    monkeypatch.setenv("FACET_WORK", "/somewhere")
    assert Settings.read().devices == 2
    assert str(Settings.read().work) == "/somewhere"


@pytest.mark.parametrize(("name", "value"), [("DEVICES", "many"), ("DEVICES", "0"), ("WORKERS", "-1")])
def test_a_wrong_value_is_one_sentence(monkeypatch, name, value):
    monkeypatch.setenv(f"FACET_{name}", value)
    with pytest.raises(UserError, match=f"FACET_{name}: .*{value}"):
        Settings.read()


@pytest.mark.parametrize("variables", [TORCHRUN, SLURM])
def test_torchrun_and_slurm_say_where(env, variables):
    env(variables)
    settings = Settings.read()
    assert (settings.devices, settings.nodes) == (4, 2)
    assert (is_first(), local_rank()) == (False, 2)


@pytest.mark.parametrize(("variables", "who"), [(TORCHRUN, "torchrun"), (SLURM, "SLURM")])
def test_what_contradicts_them_is_one_sentence_and_what_agrees_is_none(env, variables, who):
    env(variables | {"FACET_DEVICES": "4", "FACET_NODES": "2"})
    assert Settings.read().devices == 4
    env({"FACET_NODES": "1"})
    with pytest.raises(UserError, match=f"^FACET_NODES is 1, but {who} started 4 processes a machine on 2 machines"):
        Settings.read()


@pytest.mark.parametrize(
    "alone",
    [
        {"SLURM_NTASKS": "1"},  # a job of one task; it may have many GPUs
        {"SLURM_JOB_NAME": "interactive"},  # salloc, or srun --pty
        {"SLURM_JOB_NAME": "bash"},
    ],
)
def test_a_slurm_job_whose_tasks_are_not_ours_is_like_any_machine(env, alone):
    env(SLURM | {"SLURM_PROCID": "0", "SLURM_LOCALID": "0"} | alone)
    assert launched() is None
    assert Settings.read().devices is None
    assert (is_first(), local_rank()) == (True, 0)


def test_tasks_without_their_number_a_machine_are_refused_with_what_to_do(env, monkeypatch):
    env(SLURM)
    monkeypatch.delenv("SLURM_NTASKS_PER_NODE")
    with pytest.raises(UserError, match="SLURM started 8 tasks on 2 machines: give it --nodes and --ntasks-per-node"):
        Settings.read()


def test_machines_with_different_numbers_of_processes_are_refused(env):
    env(TORCHRUN | {"WORLD_SIZE": "6"})
    with pytest.raises(UserError, match="torchrun started 4 of 6 processes on this machine"):
        Settings.read()


def test_the_first_process_of_torchrun_need_not_be_on_slurms_first_machine(env):
    env(SLURM | TORCHRUN | {"RANK": "0", "LOCAL_RANK": "0"})
    assert launched().by == "torchrun"
    assert is_first()


@pytest.mark.parametrize("variable", ["LOCAL_RANK", "NODE_RANK"])
def test_of_the_processes_that_a_stage_starts_one_is_first(env, variable):
    env({"LOCAL_RANK": "0", "NODE_RANK": "0"})
    assert is_first()
    env({variable: "1"})
    assert not is_first()
