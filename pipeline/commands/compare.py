"""`python -m pipeline compare`."""

import argparse
from pathlib import Path

from pipeline import paths


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("compare", help="experiments side by side: a table, and a page with curves and grids")
    command.add_argument(
        "experiments",
        nargs="*",
        metavar="EXPERIMENT",
        help="a git revision, an experiment of DVC's, workspace, folders of W&B runs (those of an experiment are one), "
        "or ENTITY/PROJECT/RUN on W&B's server; none: HEAD, the workspace, and DVC's experiments on HEAD",
    )
    command.add_argument(
        "--out", type=Path, default=paths.COMPARISON, metavar="HTML", help=f"the page (default: {paths.COMPARISON})"
    )
    command.add_argument("--all", action="store_true", help="all metrics in the table, as on the page")
    command.add_argument("--json", action="store_true", help="the table as JSON, with all metrics")
    command.epilog = (
        "Example: python -m pipeline compare HEAD~1 HEAD workspace. The first is what the others are compared with. "
        "Example, of runs kept offline: python -m pipeline compare wandb/offline-run-*. Nothing needs an account, "
        "but ENTITY/PROJECT/RUN, which takes a key (`wandb login`)."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import shutil
    import sys

    from pipeline.applications.comparing.command import compare

    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    print(compare(arguments.experiments, arguments.out, arguments.all, arguments.json, width))
    print(arguments.out, file=sys.stderr)
