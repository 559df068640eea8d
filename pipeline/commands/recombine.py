"""`python -m pipeline recombine`."""

import argparse
from pathlib import Path

from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("recombine", help="a subject's face as a sample shows another's")
    whose = command.add_mutually_exclusive_group(required=True)
    whose.add_argument(
        "--subject", type=Path, nargs="+", metavar="FILE", help="photographs of one person, who gives the identity"
    )
    whose.add_argument("--subjects", type=Path, metavar="DIR", help="a photograph of each of several: makes the grid")
    which = command.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "--sample",
        type=Path,
        metavar="FILE",
        help="photograph that gives all else; - is standard input; a folder makes the grid",
    )
    which.add_argument("--samples", type=Path, metavar="DIR", help="a folder of them: makes the grid")
    command.add_argument(
        "--out",
        type=Path,
        metavar="PNG",
        required=True,
        help="of a grid also a folder, for all its faces; of --paste with a folder, a folder; -: the picture",
    )
    command.add_argument(
        "--paste", action="store_true", help="the sample's whole photograph, with the made face in it; of a folder, all"
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline recombine --subject a.jpg --sample b.jpg --out c.png. "
        "A model trained on rendered heads (the default) does badly on photographs: train on photographs for those. "
        "The picture's metadata say that it is synthetic and by which model; OUT.json beside it says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.recombine import paste_all, recombine, recombine_all
    from pipeline.errors import UserError

    a, folder = arguments, arguments.samples or arguments.sample
    if a.paste and a.subjects:
        raise UserError("recombine: --paste takes one person: name the photographs of one with --subject")
    if a.subject and not folder.is_dir() and (a.sample or a.paste):
        made = recombine(a.subject, folder, a.out, a.paste)
    elif a.paste:
        made = paste_all(a.subject, folder, a.out)
    else:
        made = recombine_all(a.subjects or a.subject, folder, a.out)
    say(a, made)
