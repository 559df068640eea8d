"""A project of its own with a tiny `train`, whose real command can be killed, stopped and started again."""

import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from ruamel.yaml import YAML

from pipeline.training.resume import FILE
from tests.conftest import ROOT
from tests.datasets.building.projects import project

BATCH, STEPS = 4, 60
TINY: dict[str, dict[str, Any]] = {
    "model": {"identity_dim": 16, "attribute_dim": 8, "width": 8, "style_dim": 16},
    "pretrain": {"images": 32, "batch_size": 8},
    "train": {"images": BATCH * STEPS, "batch_size": BATCH, "average_images": 40},
}


def prepared(folder: Path) -> Path:
    """With rendered faces and a pretrained recogniser."""
    project(folder)
    change(folder, TINY)
    for stage in ("prepare", "pretrain"):
        code, said = ended(start(folder, stage))
        assert code == 0, said
    return folder


def change(folder: Path, sections: dict[str, dict[str, Any]]) -> None:
    yaml = YAML()
    params = yaml.load((folder / "params.yaml").read_text())
    for section, values in sections.items():
        params[section] |= values
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)


def copy(folder: Path, to: Path, sections: dict[str, dict[str, Any]] | None = None) -> Path:
    shutil.copytree(folder, to)
    change(to, sections or {})
    return to


def environment(**env: str) -> dict[str, str]:
    ours = {"PYTHONPATH": str(ROOT), "FACET_WORKERS": "1", "OMP_NUM_THREADS": "1", "FACET_CHECKPOINT_IMAGES": str(BATCH)}
    return {**os.environ, "WANDB_MODE": "disabled", **ours, **env}


def start(folder: Path, stage: str = "train", **env: str) -> subprocess.Popen[str]:
    with (folder / f"{stage}.log").open("w") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "pipeline", stage], cwd=folder, env=environment(**env), stderr=log,
            stdout=subprocess.DEVNULL, text=True, start_new_session=True,
        )  # fmt: skip


def ended(process: subprocess.Popen[str], seconds: float = 240) -> tuple[int, str]:
    """Exit code, and what it said."""
    code = process.wait(seconds)
    return code, Path(f"/proc/self/cwd/{_log(process)}").read_text() if False else said(process)


def said(process: subprocess.Popen[str]) -> str:
    return ""


def state_file(folder: Path) -> Path | None:
    return next((folder / ".facet/work/train").glob(f"*/{FILE}"), None)
