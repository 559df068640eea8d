"""Runs of W&B, each a stage of an experiment: from folders of offline runs, as `wandb leet inspect` reads them."""

import json
import math
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from pipeline.applications.comparing.experiment import (
    ORIGIN,
    Curve,
    Experiment,
    flat,
    is_number,
    measured,
    table_curves,
)
from pipeline.errors import UserError

KEPT = ("offline-run-", "run-")  # how W&B's folders of runs begin
NO_PARAMS = ("_wandb", "deps", "outs", "environment")  # in the config, beside the sections of params.yaml
LAST_IS_METRIC = ("train/", "val/")  # whose metrics are the last points of their curves
GRID = "synthesize/grid"
TABLES = {"evaluate/roc/rows": "roc", "evaluate/by_yaw/rows": "by_yaw"}  # key -> its file's name in results/
READERS = 4  # processes of W&B at once


class Run(NamedTuple):
    identity: str
    stage: str
    group: str  # the experiment it is a stage of
    begun: str  # date and time
    finished: bool
    config: dict[str, Any]
    summary: dict[str, Any]
    history: list[dict[str, Any]]
    folder: Path | None = None


def run_folders(path: Path) -> list[Path]:
    """The folder of a run itself, or those of all runs in it; none where it is neither."""
    if not path.is_dir():
        return []
    if any(path.glob("run-*.wandb")) or path.name.startswith(KEPT):
        return [path]
    return sorted(p for p in path.iterdir() if p.is_dir() and p.name.startswith(KEPT))


def read(folders: Iterable[Path]) -> list[Run]:
    """The run of each folder, the oldest first.

    Raises:
        UserError: a folder holds no run that W&B can read.
    """
    with ThreadPoolExecutor(READERS) as readers:
        return sorted(readers.map(_read, folders), key=lambda run: run.begun)


def grouped(runs: Iterable[Run]) -> list[Experiment]:
    """An experiment for each group of runs; a stage that a group has twice begins another.

    Raises:
        UserError: an experiment has neither metrics nor curves.
    """
    groups: list[list[Run]] = []
    for run in runs:
        fitting = (group for group in groups if group[0].group == run.group and _fits(run, group))
        group = next(fitting, None)
        if group is None:
            groups.append([run])
        else:
            group.append(run)
    names = [group[0].group for group in groups]
    return [
        _together(f"{name} ({names[:at].count(name) + 1})" if names.count(name) > 1 else name, groups[at])
        for at, name in enumerate(names)
    ]


def _together(name: str, runs: list[Run]) -> Experiment:
    params: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    lines: dict[str, Curve] = {}
    origin: dict[str, str] = {}
    picture = None
    for run in runs:
        params |= flat({name: values for name, values in run.config.items() if name.split(".")[0] not in NO_PARAMS})
        found = _curves(run.history)
        metrics |= {key: value for key, value in run.summary.items() if _is_metric(key, found)}
        lines |= found | _tables(run)
        made = run.config.get("deps")
        origin |= {path: str(made[path]) for path in ORIGIN if path in made} if isinstance(made, Mapping) else {}
        picture = _file(run, GRID) or picture
    numbers = measured(metrics)
    if not numbers and not lines:
        raise UserError(f"{name}: its run of {runs[0].stage} holds no metrics: name one that got further")
    stages = ", ".join(f"{run.stage}{'' if run.finished else ' (unfinished)'}" for run in runs)
    return Experiment(name, f"W&B, {runs[0].begun[:10]}: {stages}", params, numbers, lines, origin, picture)


def _fits(run: Run, group: list[Run]) -> bool:
    """Whether it is another stage, or goes on with a run."""
    return all(run.stage != other.stage or run.identity == other.identity for other in group)


def _read(folder: Path) -> Run:
    records: dict[str, Any] = {"config": {}, "summary": {}, "history": []}
    about: dict[str, Any] = {}
    finished = False
    for record in _records(folder):
        kind = record.get("type")
        content = record.get(kind) if kind else None
        if not isinstance(content, dict):
            continue
        if kind == "run":
            about = content
            records["config"] |= content.get("config", {}).get("update", {})
        elif kind in ("config", "summary"):
            records[kind] |= content.get("update", {})
        elif kind == "history":
            records["history"].append(content.get("item", {}))
        finished |= kind == "exit" and content.get("exit_code", 0) == 0
    if not about:
        raise UserError(f"{folder}: the record of this run is empty: leave it out")
    identity, stage = (str(about.get(name) or folder.name) for name in ("run_id", "job_type"))
    group, begun = str(about.get("run_group") or about.get("display_name") or folder.name), str(about.get("start_time"))
    return Run(identity, stage, group, begun, finished, folder=folder, **records)


def _records(folder: Path) -> Iterator[dict[str, Any]]:
    """As W&B reads them; those before the place where a record breaks off.

    Raises:
        UserError: there is nothing that W&B can read.
    """
    if not any(folder.glob("run-*.wandb")):
        raise UserError(f"{folder}: no run of W&B is in it (run-*.wandb): leave it out")
    command = [sys.executable, "-m", "wandb", "leet", "inspect", "--json", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stderr
        for line in process.stdout:
            try:
                yield json.loads(line)
            except ValueError:
                continue
        said = process.stderr.read().decode("utf-8", errors="replace").strip().splitlines()
    if process.returncode:
        reason = said[-1].removeprefix("Error: ") if said else "no reason given"
        raise UserError(f"{folder}: W&B cannot read this run ({reason}): leave it out")


def _is_metric(key: str, found: Mapping[str, Curve]) -> bool:
    """Whether it is in the metrics file too, rather than the last point of a curve or something of W&B's own."""
    own = key.startswith("_") or key == "images" or "." in key  # of pictures and tables: their sizes
    return not own and (key not in found or key.startswith(LAST_IS_METRIC))


def _curves(history: Iterable[Mapping[str, Any]]) -> dict[str, Curve]:
    points: dict[str, dict[float, float]] = {}
    for item in history:
        images = item.get("images", math.nan)
        for key, value in item.items():
            if is_number(images) and is_number(value) and "/" in key and "." not in key:
                points.setdefault(key, {})[float(images)] = float(value)  # what is logged again counts
    return {key: Curve("images", sorted(places.items())) for key, places in points.items()}


def _tables(run: Run) -> dict[str, Curve]:
    """Tables of the evaluation, by the names that their files in results/ give them."""
    found: dict[str, Curve] = {}
    for key, name in TABLES.items():
        file = _file(run, key)
        try:
            table = json.loads(file.read_text(encoding="utf-8")) if file else {}
            columns, rows = table.get("columns", []), table.get("data", [])
            text = "\n".join(",".join(map(str, row)) for row in [columns, *rows])
        except (ValueError, OSError, TypeError, AttributeError):
            continue  # a damaged table is one chart less
        found |= table_curves(name, text)
    return found


def _file(run: Run, key: str) -> Path | None:
    """What the summary names as a file of the run; nothing where that leads out of its folder."""
    path = run.summary.get(f"{key}.path")
    if run.folder is None or not isinstance(path, str):
        return None
    top = (run.folder / "files").resolve()
    file = (top / path).resolve()
    return file if file.is_relative_to(top) and file.is_file() else None
