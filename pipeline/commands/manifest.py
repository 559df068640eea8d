"""`python -m pipeline manifest`."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "manifest", help="a list of photographs with sizes and hashes, for data.source: manifest"
    )
    command.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="a folder with a folder for each person")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .parquet or .csv")
    command.add_argument(
        "--celeba",
        action="store_true",
        help="DIR is CelebA's: its lists of identities, attributes, boxes and landmarks",
    )
    command.epilog = (
        "Example: python -m pipeline manifest /data/vggface2/train --out data/manifests/vggface2.parquet. "
        "Millions of loose files are no DVC dep; this file is."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.manifest import make

    make(arguments.folders, arguments.out, arguments.celeba)
    print(arguments.out)
