"""What changes no result, read from the environment: where things run and how many help. README has the table."""

import os
from pathlib import Path
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pipeline.errors import UserError


def _cores() -> int:
    """Those this process may use; a container's share rather than the machine's."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseModel):
    """Each field is the environment variable FACET_<FIELD>."""

    model_config = ConfigDict(frozen=True)

    assets: Path | None = Field(None, description="folder with downloaded weights")
    devices: int | None = Field(None, ge=1, description="processes (GPUs) of a machine; all GPUs, or one CPU process")
    nodes: int = Field(1, ge=1, description="machines")
    workers: int = Field(default_factory=_cores, ge=0, description="processes of this machine that prepare data")
    scheduler: str | None = Field(None, description="address of a Dask scheduler whose workers prepare data")
    work: Path = Field(Path(".facet/work"), description="where stages build before they publish")
    checkpoint_images: int = Field(6400, ge=1, description="images between two checkpoints of a fit, at least")

    @classmethod
    def read(cls) -> Self:
        """Read the environment.

        Raises:
            UserError: a variable has a value that its field does not allow.
        """
        given = {name: os.environ.get(f"FACET_{name.upper()}") for name in cls.model_fields}
        try:
            return cls.model_validate({name: value for name, value in given.items() if value})
        except ValidationError as error:
            lines = [f"FACET_{str(e['loc'][0]).upper()}: {e['msg']} (got {e['input']!r})" for e in error.errors()]
            raise UserError("\n".join(lines)) from None


def is_main_process() -> bool:
    """Whether this is the first of the processes that share the work (or the only one)."""
    ranks = ("RANK", "LOCAL_RANK", "NODE_RANK", "SLURM_PROCID")  # torchrun, Lightning, Lightning, Slurm
    return all(os.environ.get(name, "0") in ("", "0") for name in ranks)
