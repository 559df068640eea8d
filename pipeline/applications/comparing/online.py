"""Runs on W&B's server: asked for one by one, by who has a key."""

import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from pipeline.applications.comparing.runs import GRID, TABLES, Run
from pipeline.errors import UserError
from pipeline.tracking.connection import failures, first_line, has_key
from pipeline.tracking.waiting import within

ANSWER_SECONDS = 20  # that an answer of the server may take
RUN_SECONDS, FILES_SECONDS = 60, 30  # that a run may take, and its files
FILE_BYTES = 2**25  # of a file, at most


def run_of(path: str) -> Run:
    """A run with its whole history, and those of its files that a page shows, as far as the server gives them.

    Args:
        path: ENTITY/PROJECT/RUN.

    Raises:
        UserError: there is no key, no server that answers in time, or no such run.
    """
    import wandb  # takes seconds

    if not has_key():
        raise UserError(
            f"{path}: neither a git revision nor an experiment, and a run on W&B's server takes a key: `wandb login`"
        )

    def read() -> tuple[Any, Run]:
        found = wandb.Api(timeout=ANSWER_SECONDS).run(path)
        summary = {key: dict(value) if hasattr(value, "keys") else value for key, value in found.summary.items()}
        stage, group, begun = found.job_type or found.id, str(found.group or found.name), str(found.created_at)
        history = list(found.scan_history())
        return found, Run(
            found.id, stage, group, begun, found.state == "finished", dict(found.config), summary, history
        )

    try:
        found, run = within(RUN_SECONDS, read)
    except TimeoutError:
        reason = f"no answer in {RUN_SECONDS} s"
    except _wrong() as error:
        reason = first_line(error)
    else:
        return _with_files(found, run)
    server = wandb.setup().settings.base_url
    raise UserError(f"{path}: neither a git revision nor an experiment, and {server} gave no such run ({reason})")


def _with_files(found: Any, run: Run) -> Run:
    """As if it lay in a folder of W&B's; a file that the server does not give is not in it."""
    logged = {key: run.summary.get(key) for key in (GRID, *TABLES)}
    paths = {
        f"{key}.path": value["path"] for key, value in logged.items() if isinstance(value, dict) and "path" in value
    }
    if not paths:
        return run
    folder = Path(tempfile.mkdtemp(dir=_downloads().name))
    try:
        within(FILES_SECONDS, lambda: _fetch(found, list(paths.values()), folder / "files"))
    except _wrong():  # ValueError: of a name that leads out of the folder
        pass
    return run._replace(summary=run.summary | paths, folder=folder)


def _fetch(found: Any, names: Sequence[str], folder: Path) -> None:
    for file in found.files(names):
        if file.size <= FILE_BYTES:
            file.download(str(folder)).close()


def _wrong() -> tuple[type[Exception], ...]:
    """What W&B raises where the server, the network or what it was asked is at fault."""
    return (*failures(), ValueError)


@cache
def _downloads() -> "tempfile.TemporaryDirectory[str]":
    """Until the command ends."""
    return tempfile.TemporaryDirectory(prefix="facet-compare-")
