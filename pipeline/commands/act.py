"""`python -m pipeline act`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("act", help="a film of a stand-in with a subject's face")
    command.add_argument(
        "--subject", type=Path, nargs="+", metavar="FILE", required=True, help="photographs of one person, or a folder"
    )
    command.add_argument("--video", type=Path, metavar="FILE", required=True, help="the film of the stand-in")
    command.add_argument("--out", type=Path, metavar="MP4", required=True)
    which = command.add_mutually_exclusive_group()
    which.add_argument(
        "--person",
        choices=("left", "right", "largest", "central"),
        default="largest",
        help="which of several people is replaced; the largest is the default",
    )
    which.add_argument("--who", type=Path, metavar="PHOTO", help="a photograph of the person who is replaced")
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline act --subject a.jpg --video in.mp4 --out out.mp4. "
        "Stopped or killed, the same command goes on. Sound and times stay as they are. "
        "The film's metadata say that it is synthetic and by which model; OUT.json beside it says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.acting.act import act

    say(arguments, act(arguments.subject, arguments.video, arguments.out, arguments.person, arguments.who))
