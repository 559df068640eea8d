"""What W&B reads of the runs that it kept in a folder."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest


def isolate(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty project, and a W&B that knows of no key, whatever this machine has."""
    import wandb

    for name in [name for name in os.environ if name.startswith(("WANDB_", "DVC_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("NETRC", str(folder / "no-netrc"))
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(folder / "wandb-config"))
    monkeypatch.setenv("WANDB_ERROR_REPORTING", "false")
    monkeypatch.chdir(folder)
    wandb.teardown()  # it reads the environment once a process


def kept(folder: Path) -> list[Path]:
    """The runs of a project, one after another, the oldest first."""
    found = [*(folder / "wandb").glob("offline-run-*"), *(folder / "wandb").glob("run-*")]
    return sorted(found, key=_ended)  # names tell the second in which a run began, and several begin in one


def _ended(run: Path) -> int:
    return max(file.stat().st_mtime_ns for file in run.glob("*.wandb"))


def summed_up(run: Path) -> dict[str, Any]:
    """Config, summary and state of a run."""
    return json.loads(_inspect(run, "--summary"))


def recorded(folder: Path) -> dict[str, Any]:
    """The same of a project's only run."""
    return summed_up(*kept(folder))


def records(run: Path) -> list[dict[str, Any]]:
    """All that was written down of a run."""
    return [json.loads(line) for line in _inspect(run).splitlines()]


def of_type(run: Path, kind: str) -> list[Any]:
    """Such records of a run."""
    return [record[kind] for record in records(run) if record["type"] == kind]


def table(run: Path, key: str) -> list[dict[str, Any]]:
    """The rows of a table that a run logged: column -> value; of a picture, the file that is kept of it."""
    for artifact in of_type(run, "artifact"):
        kept_at = {entry["path"]: Path(entry.get("local_path", "")) for entry in artifact["manifest"]["contents"]}
        if f"{key}.table.json" in kept_at:
            content = json.loads(kept_at[f"{key}.table.json"].read_text())
            shown = [[kept_at[v["path"]] if isinstance(v, dict) else v for v in row] for row in content["data"]]
            return [dict(zip(content["columns"], row, strict=True)) for row in shown]
    raise KeyError(key)


def _inspect(run: Path, *options: str) -> bytes:
    command = [sys.executable, "-m", "wandb", "leet", "inspect", *options, "--json", str(run)]
    return subprocess.run(command, capture_output=True, check=True).stdout
