"""A project folder of its own for `python -m pipeline prepare`, as a person would have one."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from tests.conftest import ROOT

RENDERED = {
    "people": {"train": 6, "judge": 2, "val": 3, "test": 3},
    "images_per_person": {"train": 6, "judge": 3, "val": 3, "test": 4},
    "unlabelled": 0,
}


def project(folder: Path, **data: Any) -> Path:
    """params.yaml with a few small rendered people, and `data` changed as asked for."""
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text())
    params["data"] |= {"image_size": 32, "shard_images": 4, "rendered": RENDERED, **data}
    params["synthesize"] |= {"samples_per_subject": 2, "grid_subjects": 2, "grid_samples": 2}
    for name in ("photos", "manifests", "recordio", "unlabelled"):
        (folder / "data" / name).mkdir(parents=True, exist_ok=True)
    with (folder / "params.yaml").open("w") as file:
        yaml.dump(params, file)
    return folder


def start(folder: Path, **env: str) -> subprocess.Popen[str]:
    """The stage, in a session of its own: its workers end with it or are to be found by its group."""
    variables = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled", "FACET_WORKERS": "2", **env}
    return subprocess.Popen(
        [sys.executable, "-m", "pipeline", "prepare"],
        cwd=folder, env=variables, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
    )  # fmt: skip


def prepare(folder: Path, **env: str) -> tuple[int, str]:
    """Run the stage to its end: exit code and what it said."""
    process = start(folder, **env)
    said = process.communicate(timeout=300)[1]
    return process.returncode, said


def content(folder: Path) -> dict[str, str]:
    """File -> sha256, of all that the stage wrote but what it says of its own run."""
    files = [p for place in ("data/faces", "results/prepare") for p in (folder / place).rglob("*") if p.is_file()]
    files = [p for p in files if p.name != "run.json"]  # when it ran, and how long
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in sorted(files)}
