"""What changes no result, read from the environment: where things run and how many help. README has the table."""

import os
from pathlib import Path
from typing import Literal, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError


def _cores() -> int:
    """Those this process may use; a container's share rather than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseModel):
    """Each field is the environment variable FACET_<FIELD>; torchrun and SLURM give `devices` and `nodes` too."""

    model_config = ConfigDict(frozen=True)

    assets: Path | None = Field(None, description="folder with downloaded weights")
    devices: int | None = Field(None, ge=1, description="processes (GPUs) of a machine; all GPUs, or one CPU process")
    nodes: int = Field(1, ge=1, description="machines")
    workers: int = Field(
        default_factory=_cores, ge=0, description="processes of this machine that prepare data and evaluate"
    )
    scheduler: str | None = Field(None, description="address of a Dask scheduler whose workers prepare data")
    work: Path = Field(Path(".facet/work"), description="where stages build before they publish")
    checkpoint_images: int = Field(6400, ge=1, description="images between two checkpoints of a fit, at least")

    @classmethod
    def read(cls) -> Self:
        """Read the environment.

        Raises:
            UserError: a variable has a value that its field does not allow, or that contradicts what started us.
        """
        given = {name: os.environ.get(f"FACET_{name.upper()}") for name in cls.model_fields}
        try:
            settings = cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            lines = [f"FACET_{str(e['loc'][0]).upper()}: {e['msg']} (got {e['input']!r})" for e in error.errors()]
            raise UserError("\n".join(lines)) from None
        started = launched()
        if started is None:
            return settings
        for name in settings.model_fields_set & {"devices", "nodes"}:
            ours, theirs = getattr(settings, name), getattr(started, name)
            if ours != theirs:
                raise UserError(
                    f"FACET_{name.upper()} is {ours}, but {started.by} started {started.devices} processes a machine "
                    f"on {started.nodes} machines: unset FACET_{name.upper()}, or start as many"
                )
        return settings.model_copy(update={"devices": started.devices, "nodes": started.nodes})


class Launched(NamedTuple):
    """By whom all processes of a stage were started; else a stage starts those of its machine itself."""

    by: Literal["torchrun", "SLURM"]
    devices: int  # processes of a machine
    nodes: int  # machines


def launched() -> Launched | None:
    """What torchrun's or SLURM's variables say of this process and its siblings; None where there are none.

    A SLURM job of one task, and a shell in one, are like any machine: a stage in it uses all GPUs that it sees.

    Raises:
        UserError: the machines have different numbers of processes.
    """
    env = os.environ
    if "TORCHELASTIC_RUN_ID" in env:  # first, as `srun torchrun` is both
        everywhere, here = int(env["WORLD_SIZE"]), int(env["LOCAL_WORLD_SIZE"])
        if everywhere % here:
            raise UserError(
                f"torchrun started {here} of {everywhere} processes on this machine: give every machine as many"
            )
        return Launched("torchrun", here, everywhere // here)
    tasks = int(env.get("SLURM_NTASKS") or 1)
    # The names of interactive jobs: their shell knows of all tasks and is none of them.
    if tasks > 1 and "SLURM_PROCID" in env and env.get("SLURM_JOB_NAME") not in ("bash", "interactive"):
        nodes, here = int(env.get("SLURM_NNODES") or 1), int(env.get("SLURM_NTASKS_PER_NODE") or 0)
        if here * nodes != tasks:
            raise UserError(
                f"SLURM started {tasks} tasks on {nodes} machines: give it --nodes and --ntasks-per-node, not --ntasks"
            )
        return Launched("SLURM", here, nodes)
    return None


def is_first() -> bool:
    """Whether this is the first of the processes that share a stage, or the only one."""
    if os.environ.get("RANK"):  # torchrun's; its machines need not be in SLURM's order
        return os.environ["RANK"] == "0"
    # SLURM's, and those of the processes that a stage starts
    return all(os.environ.get(name, "0") in ("", "0") for name in ("SLURM_PROCID", "LOCAL_RANK", "NODE_RANK"))


def local_rank() -> int:
    """The number of this process among those of its machine."""
    started = launched()
    name = "SLURM_LOCALID" if started and started.by == "SLURM" else "LOCAL_RANK"
    return int(os.environ.get(name) or 0)
