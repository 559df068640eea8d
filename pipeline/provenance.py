"""Where results come from: code, inputs, versions, machine. Recorded beside them, never an input of them."""

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

PACKAGES = (
    "torch",
    "pytorch-lightning",
    "torchmetrics",
    "numpy",
    "opencv-python-headless",
    "albumentations",
    "openvino",
)
HASHED_FILES, HASHED_BYTES = 20_000, 2**30  # of a dep, at most: two or three seconds


def environment() -> dict[str, str]:
    """What results may depend on beside params and code: versions and machine."""
    # A stage that has not imported torch uses no accelerator; importing it here would take seconds.
    torch = sys.modules.get("torch")
    device = torch.accelerator.current_accelerator() if torch and torch.accelerator.is_available() else None
    cuda = device is not None and device.type == "cuda"
    return {
        "git": revision(),
        "python": platform.python_version(),
        **{name: _version(name) for name in PACKAGES},
        "system": platform.platform(),
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()),
        "accelerator": torch.cuda.get_device_name() if torch and cuda else str(device or "none"),
    }


def fingerprint() -> str:
    """16 hexadecimal digits that change with the versions and the machine, but not with the commit."""
    said = {name: value for name, value in environment().items() if name != "git"}
    return hashlib.sha256(json.dumps(said, sort_keys=True).encode()).hexdigest()[:16]


def revision() -> str:
    """Branch and commit, as `main@1a2b3c4`; `-dirty` where the working tree differs from the commit."""
    commit = _git("rev-parse", "--short", "HEAD")
    if not commit:
        return "unversioned"
    branch = _git("symbolic-ref", "--short", "--quiet", "HEAD") or "detached"
    # Stages write results and DVC its lock: if they counted, one `dvc repro` would change its name midway.
    ours = ("--", ":(top)", ":(top,exclude)results", ":(top,exclude)dvc.lock")
    dirty = _git("status", "--porcelain", "--untracked-files=no", *ours)
    return f"{branch}@{commit}{'-dirty' if dirty else ''}"


def lineage(stage: str) -> dict[str, str]:
    """Path -> DVC's md5, for every dep of the stage that is there.

    Hashed here, for dvc.lock may be older than what a stage finds: its own entry is still that of its previous run, and
    without DVC so are the others'. What takes long to hash has the md5 that dvc.lock gives it as an out, or none.
    """
    hashed = {dep: _hashed(Path(dep)) for dep in _deps(stage)}
    if None in hashed.values():  # a third of a second, so only where it is needed
        lock = _yaml(Path("dvc.lock")).get("stages", {})
        locked = {o["path"]: o.get("md5") for name in lock if name != stage for o in lock[name].get("outs", [])}
        hashed = {dep: found or locked.get(dep) for dep, found in hashed.items()}
    return {dep: found for dep, found in hashed.items() if found}


def outs(stage: str) -> list[str]:
    """The paths that dvc.yaml says the stage makes."""
    return _outs(_stages().get(stage, {}))


def made() -> set[str]:
    """What all stages make."""
    return {out for said in _stages().values() for out in _outs(said)}


def recorded(stage: str) -> dict[str, str]:
    """Path -> DVC's md5, for every dep and out of the stage's last run; nothing where DVC has not run it."""
    last = _yaml(Path("dvc.lock")).get("stages", {}).get(stage, {})
    return {each["path"]: each.get("md5", "") for kind in ("deps", "outs") for each in last.get(kind, [])}


def md5(path: Path) -> str:
    """As DVC 3 has it: of a file its bytes, of a folder the list of its files' hashes and names."""
    if path.is_file():
        with path.open("rb") as file:
            return hashlib.file_digest(file, "md5").hexdigest()
    files = {file.relative_to(path).as_posix(): file for file in path.rglob("*") if file.is_file() and _tracked(file)}
    listing = [{"md5": md5(file), "relpath": name} for name, file in sorted(files.items())]
    return hashlib.md5(json.dumps(listing, sort_keys=True).encode(), usedforsecurity=False).hexdigest() + ".dir"


def _hashed(path: Path) -> str | None:
    """Its md5; None where there is nothing, it cannot be read, or it takes seconds."""
    size = 0
    try:
        for count, file in enumerate(path.rglob("*") if path.is_dir() else [path]):
            size += file.lstat().st_size
            if count > HASHED_FILES or size > HASHED_BYTES:
                return None
        return md5(path)
    except OSError:
        return None


def _stages() -> dict[str, Any]:
    return _yaml(Path("dvc.yaml")).get("stages", {})


def _outs(said: dict[str, Any]) -> list[str]:
    """Of a stage, as dvc.yaml describes it."""
    listed = [out for kind in ("outs", "metrics", "plots") for out in said.get(kind, [])]
    return [next(iter(out)) if isinstance(out, dict) else out for out in listed]


def _deps(stage: str) -> list[str]:
    """As DVC understands them: ${data.photos} is what params.yaml has there."""
    params = _yaml(Path("params.yaml"))

    def value(match: re.Match[str]) -> str:
        section, _, name = match[1].partition(".")
        return str(params.get(section, {}).get(name, match[0]))

    return [re.sub(r"\$\{(\w+\.\w+)\}", value, dep) for dep in _stages().get(stage, {}).get("deps", [])]


def _tracked(file: Path) -> bool:
    """Whether .dvcignore lets DVC see it."""
    return "__pycache__" not in file.parts and file.suffix != ".pyc" and file.name not in (".DS_Store", ".gitkeep")


def _git(*arguments: str) -> str:
    """What git answers; nothing where there is no git, no repository or no commit."""
    try:
        return subprocess.run(
            ["git", *arguments], capture_output=True, text=True, check=True, timeout=10
        ).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> str:
    """The processor's name; Python knows it on few systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor() or platform.machine()


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return "absent"


def _yaml(path: Path) -> dict[str, Any]:
    return YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {} if path.exists() else {}
