"""`python -m pipeline edit`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say
from pipeline.errors import UserError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("edit", help="one thing of a face changed: yaw, smile, light, or beard, hair, shape")
    command.add_argument(
        "--photograph", type=Path, nargs="+", metavar="FILE", help="faces: files, folders, or - for standard input"
    )
    what = command.add_mutually_exclusive_group()
    what.add_argument("--attribute", metavar="NAME", help="of the circumstances, in z: yaw, smile, light_azimuth, …")
    what.add_argument("--trait", metavar="NAME", help="of the person, in f_I: beard, hair_length, jaw_width, …")
    how = command.add_mutually_exclusive_group()
    how.add_argument("--by", type=float, metavar="AMOUNT", help="so much more, in its own unit")
    how.add_argument("--to", type=float, metavar="AMOUNT", help="from what is read from the photograph to this")
    command.add_argument("--out", type=Path, metavar="OUT", help=".png or -: of one photograph; else a folder for all")
    command.add_argument(
        "--fit", action="store_true", help="find the directions anew, and list all names with units and ranges"
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline edit --photograph a.jpg --attribute yaw --by 20 --out turned.png. "
        "Directions are learned from the rendered heads of data/faces at the first use, and kept in .facet. "
        "The picture's metadata say that it is synthetic and by which model; OUT.json beside it says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications import editing
    from pipeline.applications.recombine import opened

    a = arguments
    if a.fit:
        if a.photograph or a.out or a.attribute or a.trait or a.json or (a.by, a.to) != (None, None):
            raise UserError("edit: --fit stands alone; edit the photograph with a second command")
        print(editing.as_text(editing.fit(opened())))
        return
    amount = a.by if a.to is None else a.to
    if not (a.photograph and a.out and (a.attribute or a.trait)) or amount is None:
        raise UserError("edit: give --photograph, --out, one of --attribute and --trait, and one of --by and --to")
    kind = "attribute" if a.attribute else "trait"
    change = editing.Change(kind, a.attribute or a.trait, amount, relative=a.to is None)
    say(a, editing.edit(a.photograph, change, a.out))
