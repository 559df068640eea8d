"""Which experiment a name means: a revision, an experiment of DVC's, a folder of W&B runs, a run on W&B's server."""

import re
from collections.abc import Sequence
from pathlib import Path

from pipeline.applications.comparing.experiment import Experiment
from pipeline.applications.comparing.revisions import (
    WORKSPACE,
    commit_of,
    experiments_on_head,
    of_commit,
    of_workspace,
)
from pipeline.applications.comparing.runs import of_folders, run_folders
from pipeline.errors import UserError

ON_SERVER = re.compile(r"(?:wandb:)?([^/\s]+/[^/\s]+/[^/\s]+)")


def named(names: Sequence[str]) -> list[Experiment]:
    """In the order of the names; runs of one experiment are one.

    Args:
        names: none are HEAD, the workspace, and DVC's experiments on HEAD.

    Raises:
        UserError: a name means nothing, or what it means has no metrics or is damaged.
    """
    if not names:
        on_head = experiments_on_head()
        found = [_one("HEAD"), of_workspace()]
        return found + [of_commit(name, commit) for name, commit in on_head.items()]
    found, folders = [], []
    for at, name in enumerate(names):
        here = run_folders(Path(name))
        folders += here
        if folders and (not here or at == len(names) - 1):
            found += of_folders(folders)
            folders = []
        if not here:
            found.append(_one(name))
    return found


def _one(name: str) -> Experiment:
    if name == WORKSPACE:
        return of_workspace()
    if commit := commit_of(name):
        return of_commit(name, commit)
    if (match := ON_SERVER.fullmatch(name)) and not Path(name).exists():
        from pipeline.applications.comparing.online import of_server

        return of_server(match[1])
    raise UserError(
        f"{name}: neither a git revision, nor an experiment (`dvc exp list`), nor a folder of W&B runs (wandb/)"
    )
