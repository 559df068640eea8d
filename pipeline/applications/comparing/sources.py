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
from pipeline.applications.comparing.runs import Run, grouped, read, run_folders
from pipeline.errors import UserError

ON_SERVER = re.compile(r"([^/\s]+/[^/\s]+/[^/\s]+)")


def named(names: Sequence[str]) -> list[Experiment]:
    """In the order of the names; runs of one experiment are one.

    Args:
        names: none are HEAD, the workspace, and DVC's experiments on HEAD.

    Raises:
        UserError: a name means nothing, or what it means has no metrics or is damaged.
    """
    if not names:
        on_head = experiments_on_head()
        others = (of_commit(name, commit) for name, commit in on_head.items())
        return [_one("HEAD"), of_workspace(), *others]
    found: list[Experiment] = []
    runs: list[Run] = []  # named one after another
    for name in names:
        meant = _meant(name)
        if isinstance(meant, Experiment):
            found += [*grouped(runs), meant]
            runs = []
        else:
            runs += meant
    return found + grouped(runs)


def _meant(name: str) -> Experiment | list[Run]:
    """An experiment, or runs that may be stages of one."""
    if folders := run_folders(Path(name)):
        return read(folders)
    if (match := ON_SERVER.fullmatch(name)) and not Path(name).exists() and not commit_of(name):
        from pipeline.applications.comparing.online import run_of

        return [run_of(match[1])]
    return _one(name)


def _one(name: str) -> Experiment:
    if name == WORKSPACE:
        return of_workspace()
    if commit := commit_of(name):
        return of_commit(name, commit)
    raise UserError(
        f"{name}: neither a git revision, nor an experiment (`dvc exp list`), nor a folder of W&B runs (wandb/)"
    )
