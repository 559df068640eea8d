"""Where a stage builds before it publishes: a folder that is no output, named by all that determines the result.

DVC deletes a stage's outputs before it runs the stage. So a stage builds in a folder STAGE/FINGERPRINT of
`.facet/work`, picks up what an interrupted run of the same fingerprint left there, and moves its results to their
final names at the end.
"""

import errno
import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import BaseModel

from pipeline.errors import UserError
from pipeline.settings import Settings


class NoSpaceError(UserError):
    """The disk is full."""


class NoRightError(UserError):
    """Nothing may be written where the stage has to."""


def fingerprint(sections: Iterable[BaseModel], inputs: Iterable[Path]) -> str:
    """16 hexadecimal digits that change with the params, the input files' bytes or this package's code."""
    digest = hashlib.sha256()
    for section in sections:
        digest.update(f"{type(section).__name__}{section.model_dump_json()}".encode())
    code = Path(__file__).parent
    for root in (code, *inputs):
        files = sorted(root.rglob("*")) if root.is_dir() else [root]
        for file in files:
            if file.is_file() and not (root == code and file.suffix == ".pyc"):
                digest.update(file.relative_to(root).as_posix().encode())
                with file.open("rb") as stream:
                    digest.update(hashlib.file_digest(stream, "sha256").digest())
    return digest.hexdigest()[:16]


@contextmanager
def building(stage: str, *sections: BaseModel, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """The stage's work folder; removed when the body ends well, kept for the next try when it does not.

    Raises:
        NoSpaceError: the disk is full; names the folders.
        NoRightError: a file or folder may not be written or read.
    """
    folder = Settings.read().work / stage / fingerprint(sections, inputs)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
    except OSError as error:
        back = "`dvc checkout` and `git checkout results` bring the last good outputs back"
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise NoSpaceError(
                f"{stage}: no disk space left (or a limit reached) while writing under {folder} or {Path.cwd()}: "
                f"free some and run the stage again; {back}"
            ) from None
        if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM, errno.ENOTDIR) and error.filename:
            raise NoRightError(
                f"{stage}: {error.filename} cannot be used ({error.strerror}): give yourself the right to, or let "
                f"FACET_WORK name another folder, and run the stage again; {back}"
            ) from None
        raise
    shutil.rmtree(folder, ignore_errors=True)


def publish(built: Path, final: Path) -> None:
    """Give a finished file or folder its final name, replacing what is there; never half of it."""
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.part")
    _remove(part)
    try:
        shutil.move(built, part)  # copies where FACET_WORK is on another disk
    except BaseException:
        _remove(part)
        raise
    _remove(final)
    os.replace(part, final)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
