"""`python -m pipeline inpaint`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("inpaint", help="a covered part of a known person's face, filled in by a CVAE-GAN")
    command.add_argument(
        "--photograph", type=Path, required=True, metavar="FILE", help="of a person of the train split"
    )
    command.add_argument(
        "--mask", type=Path, required=True, metavar="FILE", help="as large; white where the face is to be made up"
    )
    command.add_argument(
        "--person", required=True, metavar="NAME", help="as `inspect` and the index of data/faces have it"
    )
    command.add_argument("--steps", type=int, default=10, metavar="N", help="of reading and drawing again (10)")
    command.add_argument("--out", type=Path, required=True, metavar="PNG", help="the aligned face; -: standard output")
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline inpaint --photograph ada.jpg --mask mask.png --person photos/ada --out ada.png. "
        "It takes a model trained by `dvc exp run -S model.method=cvaegan`, and knows that model's people alone. "
        "The picture's metadata say that it is in part synthetic and by which model; OUT.json beside it says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.inpainting import inpaint
    from pipeline.errors import UserError

    if arguments.steps < 1:
        raise UserError(f"inpaint: --steps should be at least 1 (got {arguments.steps})")
    if str(arguments.out) != "-" and arguments.out.suffix.lower() != ".png":
        raise UserError(f"{arguments.out}: the result is a PNG; let --out end in .png")
    say(arguments, inpaint(arguments.photograph, arguments.mask, arguments.person, arguments.steps, arguments.out))
