"""`python -m pipeline frontalize`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("frontalize", help="a person's photographs in any pose, as the frontal view")
    command.add_argument(
        "--subject", type=Path, nargs="+", required=True, metavar="FILE", help="of one person: files, folders, or -"
    )
    command.add_argument(
        "--template",
        type=Path,
        metavar="FILE",
        help="photograph that gives pose, light and background; default: the mean of frontal prepared faces",
    )
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help=".png or -: the face, of several photographs a sheet; else a folder for all faces",
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline frontalize --subject ada/*.jpg --out ada.png. "
        "Above are the photographs, below the frontal face by each, and last the one by all of them. "
        "The metadata say that the pictures are synthetic and by which model; OUT.json beside them says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.frontalizing import frontalize

    say(arguments, frontalize(arguments.subject, arguments.template, arguments.out))
