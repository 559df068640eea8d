"""What each stage took, for the report: when it ran, how long, on what, from which code, and which run of W&B it is."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Taken(NamedTuple):
    """A stage's row; the cells of one that nothing is known of are empty."""

    stage: str
    says: list[str]  # a line each
    time: str = ""
    processor: str = ""
    memory: str = ""


def recorded(file: Path) -> dict[str, Any] | None:
    """What a run wrote of itself; None where there is no such file, or none that can be read."""
    try:
        said = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return said if isinstance(said, dict) and said.keys() >= {"began", "seconds", "processor_seconds"} else None


def rows(runs: Mapping[str, Mapping[str, Any] | None]) -> list[Taken]:
    """A row a stage, and below them what they took together; nothing where no stage is known of.

    Args:
        runs: stage -> what its run wrote of itself, or None.
    """
    known = [run for run in runs.values() if run]
    if not known:
        return []
    missing = "unknown: results/{}/run.json is not here, or cannot be read; `dvc pull` fetches what DVC has of it"
    listed = [_row(stage, run) if run else Taken(stage, [missing.format(stage)]) for stage, run in runs.items()]
    return [*listed, _total(known, len(runs))]


def _row(stage: str, run: Mapping[str, Any]) -> Taken:
    says = [f"{moment(run['began'])} · {run.get('revision', 'unversioned')}", machine(run)]
    says.append(f"W&B {run['wandb_id']}" if run.get("wandb_id") else "not in W&B")
    tries = len(run.get("attempts", ()))
    if tries > 1:
        done = f" and went on from {run.get('images_before'):,} images".replace(",", "\N{NARROW NO-BREAK SPACE}")
        says.append(
            f"try {tries}, begun first at {moment(run['attempts'][0])}"
            f"{done if run.get('images_before') else ''}: the figures are of this try alone"
        )
    return Taken(stage, says, *_cells([run]))


def _total(known: Sequence[Mapping[str, Any]], of: int) -> Taken:
    says = "" if len(known) == of else f"of the {len(known)} that are known"
    return Taken("together", [says] if says else [], *_cells(known))


def _cells(runs: Sequence[Mapping[str, Any]]) -> tuple[str, str, str]:
    """Time, time of processors, and the memory of that one which had most."""
    time, processor = (sum(run[key] for run in runs) for key in ("seconds", "processor_seconds"))
    most = [size(max(run.get("peak_memory") or 0 for run in runs))]
    accelerator = max(run.get("peak_accelerator_memory") or 0 for run in runs)
    return duration(time), duration(processor), " + ".join([*most, *([size(accelerator)] if accelerator else [])])


def machine(run: Mapping[str, Any]) -> str:
    """Processor, cores, accelerator, processes."""
    has = run.get("environment", {})
    said = [has.get("processor", "unknown processor"), f"{has.get('cores', '?')} cores"]
    said += [has["accelerator"]] if has.get("accelerator", "none") != "none" else []
    said += [f"{run['processes']} processes"] if run.get("processes", 1) > 1 else []
    return ", ".join(said)


def moment(iso: str) -> str:
    """`2026-03-01 12:30 UTC`."""
    return datetime.fromisoformat(iso).strftime("%Y-%m-%d %H:%M UTC")


def duration(seconds: float) -> str:
    """The two largest units that count."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def size(count: float) -> str:
    """Of so many bytes."""
    return f"{count / 1e9:.1f} GB" if count >= 1e9 else f"{count / 1e6:.0f} MB"
