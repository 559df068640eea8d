"""`python -m pipeline augment`."""

import argparse
from pathlib import Path

from pipeline import paths
from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("augment", help="more faces of the people of a prepared folder, for a recogniser")
    command.add_argument(
        "--faces", type=Path, default=paths.FACES, metavar="DIR", help=f"a prepared folder; default: {paths.FACES}"
    )
    command.add_argument("--images", type=int, default=10, metavar="N", help="new faces of every person (10)")
    command.add_argument("--seed", type=int, default=0, metavar="N", help="another seed draws other samples (0)")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a new folder: shards and an index")
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline augment --images 20 --out data/augmented. "
        "Of the train split alone, each person with pose, expression and light of others. "
        "The metadata of each picture and the index say that it is synthetic; DIR.json says by which model."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.augmenting import augment

    say(arguments, augment(arguments.faces, arguments.images, arguments.seed, arguments.out))
