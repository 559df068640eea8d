"""What it took to run a stage: results/STAGE/run.json, for people and the report to read; no stage's input.

Two runs of the same never have the same bytes there.
"""

import json
import os
import resource
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil
from pydantic import BaseModel

from pipeline import provenance
from pipeline.origin import Origin
from pipeline.settings import Settings
from pipeline.tracking.connection import experiment
from pipeline.tracking.files import write

ALONE = ("prepare", "report")  # stages that no processes share
ATTEMPTS = "attempts"  # the file in a work folder with a line for each try: when it began
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes, of what the system says of memory


def begun(stage: str, sections: Iterable[BaseModel], folder: Path | None) -> dict[str, Any]:
    """What is known of a run when it begins.

    Args:
        stage: its name.
        sections: the sections of params.yaml that the stage was handed.
        folder: the stage's work folder, which remembers earlier tries; None: there can be none.
    """
    began = datetime.fromtimestamp(psutil.Process().create_time(), UTC).isoformat(timespec="seconds")
    environment = provenance.environment()
    return {
        "stage": stage,
        "group": experiment(),
        "params": Origin.of(stage, sections, ())._replace(code={}).fingerprint(),
        "revision": environment.pop("git"),
        "began": began,
        "attempts": _attempts(folder, began),
        "workers": Settings.read().workers,
        "environment": environment,
    }


def ended(path: Path, known: dict[str, Any]) -> None:
    """Write it down, with what the run has taken so far.

    Args:
        path: the file.
        known: name -> value, of this run.
    """
    seconds = time.time() - psutil.Process().create_time()
    accelerator = sys.modules.get("torch")
    cuda = accelerator is not None and accelerator.cuda.is_available()
    taken = {
        "seconds": round(seconds, 1),
        "processor_seconds": round(processor_seconds(), 1),
        "peak_memory": peak_memory(),
        "peak_accelerator_memory": accelerator.cuda.max_memory_allocated() if accelerator and cuda else None,
        "processes": processes(known["stage"]),
    }
    write(path, json.dumps(known | taken, indent=2, sort_keys=True))


def processor_seconds() -> float:
    """Of this process and of all that it started on this machine, whether they are still there or not."""
    gone = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    seconds = sum(usage.ru_utime + usage.ru_stime for usage in gone)
    for child in psutil.Process().children(recursive=True):
        try:
            seconds += sum(child.cpu_times()[:4])  # its own and its children's, for programs and for the system
        except psutil.Error:
            continue
    return seconds


def peak_memory() -> int:
    """Bytes, of the one of these processes that had most."""
    here = [psutil.Process(), *psutil.Process().children(recursive=True)]
    return max(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * UNIT, *map(_peak, here))


def processes(stage: str) -> int:
    """How many share the stage, on all machines: as many as are asked for, else as there are GPUs."""
    if stage in ALONE:
        return 1
    settings, torch = Settings.read(), sys.modules.get("torch")
    return (settings.devices or max(1, torch.cuda.device_count() if torch else 0)) * settings.nodes


def _peak(process: psutil.Process) -> int:
    """Bytes; of others where the system does not remember, what they have now."""
    try:
        for line in Path(f"/proc/{process.pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):  # unlike ru_maxrss, not what the program before `exec` had
                return int(line.split()[1]) * 1024
        return 0  # it has ended
    except OSError:
        pass
    if process.pid == os.getpid():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * UNIT
    try:
        return process.memory_info().rss
    except psutil.Error:
        return 0


def _attempts(folder: Path | None, began: str) -> list[str]:
    """When each try began that went on in this folder, the last of them now."""
    if folder is None:
        return [began]
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ATTEMPTS).open("a+", encoding="utf-8") as file:
        file.write(f"{began}\n")
        file.seek(0)
        return file.read().splitlines()
