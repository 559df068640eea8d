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
        help="of a grid also a folder, for all its faces; -: the picture",
    )
    command.add_argument(
        "--paste", action="store_true", help="of one --sample: its whole photograph, with the made face in it"
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline recombine --subject a.jpg --sample b.jpg --out c.png. "
        "A model trained on rendered heads (the default) does badly on photographs: train on photographs for those. "
        "The picture's metadata say that it is synthetic and by which model; OUT.json beside it says of what."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.recombine import recombine, recombine_all
    from pipeline.errors import UserError

    if arguments.subject and arguments.sample and not arguments.sample.is_dir():
        made = recombine(arguments.subject, arguments.sample, arguments.out, arguments.paste)
    elif arguments.paste:
        raise UserError(
            "recombine: --paste takes one --subject, by one or several photographs, and as --sample one file"
        )
    else:
        subjects = arguments.subjects or _one(arguments.subject)
        made = recombine_all(subjects, arguments.samples or arguments.sample, arguments.out)
    say(arguments, made)


def _one(subject: list[Path]) -> Path:
    from pipeline.errors import UserError

    if len(subject) > 1 or subject[0].is_dir():
        raise UserError(
            "recombine: several photographs of one --subject go with one --sample; a folder of several people is named "
            "with --subjects"
        )
    return subject[0]
