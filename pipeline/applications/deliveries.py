"""What a command hands over: a file, standard output, or a whole folder, of which nobody finds a half."""

import json
import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pipeline.applications import marks
from pipeline.applications.portraits import STDIN
from pipeline.errors import UserError


def file(out: Path, content: bytes, made: Mapping[str, Any]) -> None:
    """One file and its sidecar, or the content alone to standard output."""
    if out == STDIN:
        sys.stdout.buffer.write(content)
    else:
        marks.write(out, content, made)


@contextmanager
def folder(out: Path, made: Mapping[str, Any]) -> Iterator[Path]:
    """A folder to fill, which gets its name when the body ends well; OUT.json beside it says what it was made of.

    Raises:
        UserError: there is something of that name, or it cannot be written.
    """
    vacant(out)
    part = out.with_name(f".{out.name}.part")
    try:
        shutil.rmtree(part, ignore_errors=True)  # of a try that was killed
        part.mkdir(parents=True)
        yield part
        os.replace(part, out)
        sidecar = json.dumps({"facet": marks.SAYS, **made}, indent=2, sort_keys=True)
        marks.replace(out.with_name(f"{out.name}.json"), sidecar.encode() + b"\n")
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None
    finally:
        shutil.rmtree(part, ignore_errors=True)


def is_picture(out: Path) -> bool:
    """Whether a PNG is asked for, in a file or to standard output."""
    return out == STDIN or out.suffix.lower() == ".png"


def picture_or_folder(out: Path) -> None:
    """Raises UserError for a picture of another kind than PNG, and for a folder whose name is taken."""
    if out.suffix.lower() in (".jpg", ".jpeg", ".webp", ".gif"):
        raise UserError(f"{out}: the result is a PNG; let --out end in .png, or name a folder")
    if not is_picture(out):
        vacant(out)


def vacant(out: Path) -> None:
    """Raises UserError for a name that is taken by anything but an empty folder, or whose OUT.json is somebody's."""
    try:
        taken = out.exists() and not (out.is_dir() and not any(out.iterdir()))
    except OSError as error:
        raise UserError(f"{out}: cannot be read ({error.strerror}); choose another place with --out") from None
    if taken or not out.name:
        raise UserError(f"{out}: is there already; name a folder with --out that is new or empty")
    beside = out.with_name(f"{out.name}.json")
    if _foreign(beside):
        raise UserError(f"{beside}: is there already, and what is said of {out} goes there; name another with --out")


def _foreign(file: Path) -> bool:
    """Whether there is a file that no command of ours wrote."""
    try:
        return file.exists() and json.loads(file.read_bytes()).get("facet") != marks.SAYS
    except (OSError, ValueError, AttributeError, RecursionError):
        return True
