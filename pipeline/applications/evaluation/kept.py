"""What does not depend on the model, kept on disk: the next one is compared with the same photographs and controls."""

import json
import os
import shutil
import time
import uuid
import zipfile
import zlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch
from pydantic import TypeAdapter

from pipeline.applications.evaluation.look import Look, Looks
from pipeline.judges.verdict import Verdict
from pipeline.metrics.intervals import Estimate

FOLDERS = 3  # of other judges, photographs or code, which are kept too
UNUSED = 7 * 24 * 3600.0  # seconds, after which what nobody has asked for goes
ATTRIBUTE, TRUTH = "attribute.", "truth."
ESTIMATES = TypeAdapter(dict[str, Estimate])
# What numpy and zipfile raise of a damaged file, an encrypted one among them.
DAMAGED = (OSError, ValueError, KeyError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error)


class Kept:
    """A folder for all that one judge said of one set of photographs, and for what that makes of the controls.

    What cannot be read is made again; what cannot be written is not kept.

    Args:
        folder: named by all that decides what is seen; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def looks(self, name: str, look: Callable[[], Looks]) -> Looks:
        """What was seen under this name, or what `look` sees now."""
        if self.folder is None:
            return look()
        file = self.folder / f"{name}.npz"
        try:
            known = _read(file)
            os.utime(file)
            return known
        except DAMAGED:
            seen = look()
        _put(file, lambda part: _write(part, seen))
        return seen

    def has_looks(self, name: str) -> bool:
        """Whether there is something of this name, which may be damaged."""
        return self.folder is not None and (self.folder / f"{name}.npz").is_file()

    def estimates(self, name: str, measure: Callable[[], dict[str, Estimate]]) -> dict[str, Estimate]:
        """What was measured under this name, or what `measure` finds now."""
        if self.folder is None:
            return measure()
        file = self.folder / f"{name}.json"
        try:
            known = ESTIMATES.validate_python(json.loads(file.read_text(encoding="utf-8")))
            os.utime(file)
            return known
        except (OSError, ValueError):
            found = measure()
        _put(file, lambda part: part.write_text(json.dumps(found), encoding="utf-8"))
        return found

    def tidy(self) -> None:
        """Remove the folders beside it that were used the longest time ago, and what nobody has asked for in a week."""
        if self.folder is None or not self.folder.is_dir():
            return
        os.utime(self.folder)
        for file in self.folder.iterdir():
            with suppress(OSError):
                if file.stat().st_mtime < time.time() - UNUSED:
                    file.unlink()
        others = sorted(self.folder.parent.iterdir(), key=lambda other: other.stat().st_mtime, reverse=True)
        for other in others[FOLDERS:]:
            shutil.rmtree(other, ignore_errors=True)


NOWHERE = Kept(None)


def _put(file: Path, write: Callable[[Path], object]) -> None:
    """Have a file written, whole or not at all; not, where that cannot be."""
    part = file.with_name(f".{file.stem}.{uuid.uuid4().hex}{file.suffix}")
    with suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        try:
            write(part)
            os.replace(part, file)
        finally:
            part.unlink(missing_ok=True)


def _read(file: Path) -> Looks:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        systems: dict[str, dict[str, np.ndarray]] = {}
        for name in arrays.files:
            system, _, field = name.partition("/")
            systems.setdefault(system, {})[field] = arrays[name]
    return {system: _look(fields) for system, fields in systems.items()}


def _look(fields: dict[str, np.ndarray]) -> Look:
    said = Verdict(fields["features"], _beginning(fields, ATTRIBUTE), fields["found"])
    inception = torch.from_numpy(fields["inception"]) if "inception" in fields else None
    return Look(said, _beginning(fields, TRUTH), fields["images"], inception)


def _beginning(fields: dict[str, np.ndarray], prefix: str) -> dict[str, np.ndarray]:
    return {name.removeprefix(prefix): values for name, values in fields.items() if name.startswith(prefix)}


def _write(file: Path, looks: Looks) -> None:
    arrays: dict[str, np.ndarray] = {}
    for system, seen in looks.items():
        fields = {f"{ATTRIBUTE}{name}": values for name, values in seen.said.attributes.items()}
        fields |= {f"{TRUTH}{name}": values for name, values in seen.truth.items()}
        fields |= {"features": seen.said.features, "found": seen.said.found, "images": seen.images}
        if seen.inception is not None:
            fields["inception"] = seen.inception.numpy()
        arrays |= {f"{system}/{field}": values for field, values in fields.items()}
    np.savez(file, **arrays)  # type: ignore[arg-type]
