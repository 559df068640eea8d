"""`python -m pipeline export`."""

import argparse
import importlib.util
from pathlib import Path

from pipeline import paths
from pipeline.commands.said import add_json, say

NEEDED = ("onnx", "onnxruntime", "onnxscript")


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("export", help="the model as a folder for other programs: safetensors, ONNX, a card")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    command.add_argument(
        "--model", type=Path, default=paths.MODEL, metavar="DIR", help=f"what `train` wrote; default: {paths.MODEL}"
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline export --out exported. The graphs are compared with the original first, and "
        "nothing is written where they differ. What the model makes is synthetic: model.json has the words that say "
        "so, and a program that uses the folder has to mark its pictures itself."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    _check_packages()
    from pipeline.applications.export.folder import export

    say(arguments, export(arguments.out, arguments.model))


def _check_packages() -> None:
    from pipeline.errors import UserError

    for name in NEEDED:
        if importlib.util.find_spec(name) is None:
            raise UserError(f"export: {name} is not installed; `pip install {' '.join(NEEDED)}`")
