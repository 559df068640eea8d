"""`python -m pipeline morph`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("morph", help="the way from one face to another, as a strip, a film or frames")
    command.add_argument(
        "--subject", type=Path, nargs="+", required=True, metavar="FILE", help="photographs of the person at its start"
    )
    command.add_argument(
        "--to-subject",
        type=Path,
        nargs="+",
        default=[],
        metavar="FILE",
        help="of the one at its end; default: the same",
    )
    command.add_argument(
        "--sample", type=Path, required=True, metavar="FILE", help="photograph that gives all else at the start"
    )
    command.add_argument("--to-sample", type=Path, metavar="FILE", help="and at its end; default: the same")
    command.add_argument("--frames", type=int, default=9, metavar="N", help="the two ends among them (9)")
    command.add_argument(
        "--out",
        type=Path,
        required=True,
        metavar="OUT",
        help=".png or -: a strip; .gif, .mp4: a film; else a folder",
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline morph --subject a.jpg --sample b.jpg --to-sample c.jpg --out turn.gif. "
        "The first and the last frame are what `recombine` makes of these photographs. "
        "The metadata say that the pictures are synthetic and by which model; OUT.json beside them says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.morphing import morph

    a = arguments
    say(a, morph(a.subject, a.to_subject, a.sample, a.to_sample, a.frames, a.out))
