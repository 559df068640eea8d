"""What everything that reads folders has to be careful about."""

import os
from pathlib import Path


def visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden entries: the same order on every file system."""
    with os.scandir(folder) as entries:
        names = sorted(entry.name for entry in entries if not entry.name.startswith("."))
    return [folder / name for name in names]


def is_empty(folder: Path) -> bool:
    """Whether nothing but hidden entries lies in a folder; of millions it looks at the first."""
    with os.scandir(folder) as entries:
        return all(entry.name.startswith(".") for entry in entries)


def leads_outside(entry: Path, root: Path) -> bool:
    """Whether it is a link whose target is not below `root`, which is a real path."""
    return os.path.islink(entry) and not Path(os.path.realpath(entry)).is_relative_to(root)


def text(name: str) -> str:
    """A file's name as valid Unicode; on Linux a name may be any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
