"""`python -m pipeline inspect`."""

import argparse
from pathlib import Path

from pipeline import paths


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("inspect", help="what a prepared folder holds: counts, rejects, histograms")
    command.add_argument("folder", type=Path, nargs="?", default=paths.FACES, help=f"default: {paths.FACES}")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.prepared import check_prepared
    from pipeline.datasets.building.statistics import as_text, describe

    check_prepared(arguments.folder)
    print(as_text(describe(arguments.folder)))
