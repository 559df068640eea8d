"""What was seen in photographs, kept on disk: the next model is compared with the same ones."""

import os
import shutil
import uuid
import zipfile
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import torch

from pipeline.applications.evaluation.material import Look
from pipeline.judges.verdict import Verdict

FOLDERS = 3  # of other judges, photographs or code, which are kept too
ATTRIBUTE = "attribute."


class Kept:
    """A folder for all that one judge said of one set of photographs.

    What cannot be read is looked at again; what cannot be written is not kept.

    Args:
        folder: named by all that decides what is seen.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(self, name: str, look: Callable[[], Look]) -> Look:
        """What was seen under this name, or what `look` sees now."""
        file = self.folder / f"{name}.npz"
        try:
            return _read(file)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            seen = look()
        part = file.with_name(f".{file.stem}.{uuid.uuid4().hex}.npz")
        with suppress(OSError):
            self.folder.mkdir(parents=True, exist_ok=True)
            try:
                _write(part, seen)
                os.replace(part, file)
            finally:
                part.unlink(missing_ok=True)
        return seen

    def tidy(self) -> None:
        """Remove the folders beside it that were used the longest time ago."""
        if not self.folder.is_dir():
            return
        os.utime(self.folder)
        others = sorted(self.folder.parent.iterdir(), key=lambda other: other.stat().st_mtime, reverse=True)
        for other in others[FOLDERS:]:
            shutil.rmtree(other, ignore_errors=True)


def _read(file: Path) -> Look:
    with file.open("rb") as stream, np.load(stream, allow_pickle=False) as arrays:
        named = {name.removeprefix(ATTRIBUTE): arrays[name] for name in arrays.files if name.startswith(ATTRIBUTE)}
        said = Verdict(arrays["features"], named, arrays["found"])
        inception = torch.from_numpy(arrays["inception"]) if "inception" in arrays.files else None
    return Look(said, {}, inception=inception)


def _write(file: Path, seen: Look) -> None:
    arrays = {f"{ATTRIBUTE}{name}": values for name, values in seen.said.attributes.items()}
    arrays |= {"features": seen.said.features, "found": seen.said.found}
    if seen.inception is not None:
        arrays["inception"] = seen.inception.numpy()
    np.savez(file, **arrays)  # type: ignore[arg-type]
