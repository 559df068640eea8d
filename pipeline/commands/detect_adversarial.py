"""`python -m pipeline detect-adversarial`."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser(
        "detect-adversarial", help="photographs that were changed to be taken for somebody else"
    )
    command.add_argument("photographs", type=Path, nargs="+", metavar="FILE", help="files, folders, or -")
    command.add_argument(
        "--false-alarms",
        type=float,
        default=0.05,
        metavar="RATE",
        help="share of honest photographs that may be called suspicious (0.05)",
    )
    command.add_argument(
        "--honest",
        type=Path,
        metavar="DIR",
        help="photographs that nobody has changed, to find the threshold; default: the val split of data/faces",
    )
    command.add_argument("--json", action="store_true", help="print scores and decisions as one line of JSON")
    command.epilog = (
        "Example: python -m pipeline detect-adversarial inbox/ --false-alarms 0.01. "
        "It tells strong changes better than weak ones (docs/use.md). "
        "It makes no picture; what other commands make is marked in its metadata as synthetic."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    import json

    from pipeline.applications.detecting import as_text, detect

    found = detect(arguments.photographs, arguments.false_alarms, arguments.honest)
    print(json.dumps(found) if arguments.json else as_text(found))
