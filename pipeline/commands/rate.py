"""`python -m pipeline rate`."""

import argparse
from pathlib import Path

from pipeline import paths


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("rate", help="people say which of two faces is made up, in a browser")
    command.add_argument("--out", type=Path, default=paths.RATINGS, metavar="CSV", help=f"default: {paths.RATINGS}")
    command.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (8000); 0: any that is free")
    command.add_argument("--summary", action="store_true", help="only say what the answers so far add up to")
    command.epilog = (
        "Example: python -m pipeline rate. Each synthesized face stands beside a photograph of its subject; nothing on "
        "the page says which is which. Every answer is kept at once; Ctrl-C ends it with the rate and its interval."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications import rating
    from pipeline.params import load_params

    if arguments.summary:
        print(rating.summary(arguments.out))
    else:
        rating.rate(arguments.out, arguments.port, load_params().evaluate.gallery)
