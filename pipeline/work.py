"""Where a stage builds before it publishes: a folder that is no output, named by all that determines the result.

DVC deletes a stage's outputs before it runs the stage. So a stage builds in a folder STAGE/FINGERPRINT of
`.facet/work`, picks up what an interrupted run of the same fingerprint left there, and moves its results to their
final names at the end. `origin.json` in it says what the fingerprint was made of, and `lock` is held by the process
that builds there.
"""

import errno
import fcntl
import logging
import os
import shutil
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from pydantic import BaseModel

from pipeline.errors import UserError
from pipeline.origin import Origin
from pipeline.settings import Settings, is_first

ORIGIN, LOCK, DONE = "origin.json", "lock", ".done"
KEPT = 3  # unfinished works of a stage, beside the current one, that may be taken up again
WAIT_SECONDS = 20  # for another process to end that builds in the same folder: longer than one takes to stop
log = logging.getLogger(__name__)


class NoSpaceError(UserError):
    """The disk is full."""


class NoRightError(UserError):
    """Nothing may be written where the stage has to."""


@contextmanager
def building(stage: str, *sections: BaseModel, inputs: Iterable[Path] = ()) -> Iterator[Path]:
    """The stage's work folder; removed when the body ends well, kept for the next try when it does not.

    Raises:
        NoSpaceError: the disk is full; names the folders.
        NoRightError: a file or folder may not be written or read.
        UserError: another process builds the same.
    """
    origin = Origin.of(stage, sections, inputs)
    folder = Settings.read().work / stage / origin.fingerprint()
    try:
        if not is_first():
            yield folder
            return
        with _alone(stage, folder):
            _begin(stage, folder, origin)
            yield folder
            done = folder.with_suffix(DONE)  # at once: half a folder must not be taken up by the next run
            os.replace(folder, done)
            shutil.rmtree(done, ignore_errors=True)
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


def publish(built: Path, final: Path) -> None:
    """Give a finished file or folder its final name, replacing what is there; never half of it."""
    final.parent.mkdir(parents=True, exist_ok=True)
    part = final.with_name(f".{final.name}.part")
    _remove(part)
    try:
        shutil.move(built, part, copy_function=_copied)  # copies where FACET_WORK is on another disk
    except _NotCopiedError as error:
        _remove(part)
        raise error.why from None
    except BaseException:
        _remove(part)
        raise
    _remove(final)
    os.replace(part, final)


class _NotCopiedError(Exception):
    """One file of a folder; shutil gathers what is an OSError, and keeps of each but its words."""

    def __init__(self, why: OSError) -> None:
        self.why = why


def _copied(built: str, final: str) -> str:
    try:
        return shutil.copy2(built, final)
    except OSError as error:
        raise _NotCopiedError(error) from None


@contextmanager
def _alone(stage: str, folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which the system takes back however the process ends."""
    patience = time.monotonic() + WAIT_SECONDS
    said = False
    while (lock := _locked(folder)) is None:
        if time.monotonic() > patience:
            raise UserError(f"{stage}: another process builds the same in {folder}: wait for it, or stop it")
        if not said:
            log.info("%s waits for another process that builds the same in %s", stage, folder)
            said = True
        time.sleep(0.2)
    with lock:
        yield


def _locked(folder: Path) -> IO[bytes] | None:
    """The lock of a folder, which is made where it is missing; None where another process has it."""
    folder.mkdir(parents=True, exist_ok=True)
    lock = (folder / LOCK).open("ab")
    try:
        fcntl.lockf(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)  # a process's own: forks do not have it, unlike with flock
        if os.path.samestat(os.fstat(lock.fileno()), (folder / LOCK).stat()):
            return lock
    except (BlockingIOError, PermissionError, FileNotFoundError):  # held, or tidied away just now
        pass
    except OSError:
        return lock  # a file system without locks
    lock.close()
    return None


def _begin(stage: str, folder: Path, origin: Origin) -> None:
    """Write down what the folder is for; say why nothing is taken up where something else was begun; tidy up."""
    for done in folder.parent.glob(f"*{DONE}"):
        shutil.rmtree(done, ignore_errors=True)
    file = folder / ORIGIN
    others = [other for other in folder.parent.iterdir() if other != folder and (other / ORIGIN).exists()]
    others.sort(key=lambda other: (other / ORIGIN).stat().st_mtime, reverse=True)
    if not file.exists():
        begun = next((other for other in others if any(f.name not in (ORIGIN, LOCK) for f in other.iterdir())), None)
        earlier = Origin.read(begun / ORIGIN) if begun else None
        if earlier is not None:
            log.info("%s starts afresh rather than go on where it was stopped: %s", stage, origin.unlike(earlier))
        part = folder / f"{ORIGIN}.part"
        part.write_text(origin.text(), encoding="utf-8")
        os.replace(part, file)
    os.utime(file)
    for other in others[KEPT:]:
        lock = _locked(other)
        if lock is not None:
            with lock:
                shutil.rmtree(other, ignore_errors=True)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
