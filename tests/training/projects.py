"""A project of its own with a tiny `train`, whose real command can be killed, stopped and started again."""

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from pipeline.training.resume import FILE
from tests.conftest import ROOT
from tests.datasets.building.projects import RENDERED, project

BATCH, STEPS = 4, 60
PEOPLE = {"train": 6, "judge": 2, "val": 4, "test": 3}
TINY: dict[str, dict[str, Any]] = {
    "model": {"identity_dim": 16, "attribute_dim": 8, "width": 8, "style_dim": 16},
    "pretrain": {"images": 32, "batch_size": 8},
    "train": {"images": BATCH * STEPS, "batch_size": BATCH, "average_images": 40, "validate_images": 100},
}


class Command:
    """A stage as it runs.

    Args:
        folder: its project.
        stage: its name.
        **env: settings; a checkpoint is due behind every step.
    """

    def __init__(self, folder: Path, stage: str = "train", **env: str) -> None:
        self.folder, self.log = folder, folder / f"{stage}.log"
        ours = {"PYTHONPATH": str(ROOT), "FACET_WORKERS": "1", "OMP_NUM_THREADS": "1", "WANDB_MODE": "disabled"}
        environment = {**os.environ, **ours, "FACET_CHECKPOINT_IMAGES": str(BATCH), **env}
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "pipeline", stage],
                cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=log, start_new_session=True,
            )  # fmt: skip

    @property
    def said(self) -> str:
        return self.log.read_text()

    def end(self, seconds: float = 240) -> int:
        """Wait for it: exit code."""
        return self.process.wait(seconds)

    def tell(self, number: int) -> tuple[int, float]:
        """Send a signal: exit code, and how long it took to leave."""
        began = time.monotonic()
        self.process.send_signal(number)
        return self.end(), time.monotonic() - began


def prepared(folder: Path) -> Path:
    """With rendered faces and a pretrained recogniser."""
    project(folder, rendered=RENDERED | {"people": PEOPLE})
    change(folder, TINY)
    for stage in ("prepare", "pretrain"):
        command = Command(folder, stage)
        assert command.end() == 0, command.said
    return folder


def copy(folder: Path, to: Path, sections: dict[str, dict[str, Any]] | None = None) -> Path:
    """A project like it, with some params changed."""
    shutil.copytree(folder, to)
    change(to, sections or {})
    return to


def change(folder: Path, sections: dict[str, dict[str, Any]]) -> None:
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    for section, values in sections.items():
        params[section] |= values
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)


def content(folder: Path, stage: str = "train") -> dict[str, str]:
    """File -> sha256, of all that the stage wrote but what it says of its own run."""
    files = [p for place in (f"models/{stage}", f"results/{stage}") for p in (folder / place).rglob("*") if p.is_file()]
    files = [p for p in files if p.name != "run.json"]  # when it ran, and how long
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}


def work_of(folder: Path, stage: str = "train") -> Path:
    """Where the stage builds."""
    return folder / ".facet" / "work" / stage


def checkpoint(folder: Path, stage: str = "train") -> Path | None:
    return next(work_of(folder, stage).glob(f"*/{FILE}"), None)


def written(folder: Path, stage: str = "train") -> int | None:
    """When the checkpoint that is there was written, in nanoseconds."""
    file = checkpoint(folder, stage)
    return file.stat().st_mtime_ns if file else None


def wait_for(condition: Callable[[], Any], seconds: float = 120) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited too long"
        time.sleep(0.005)
