"""`python -m pipeline export`."""

import argparse
from pathlib import Path

from pipeline import paths
from pipeline.commands.said import add_json, say


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("export", help="the model as a folder for other programs: safetensors, ONNX, a card")
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="a folder that is not there yet")
    command.add_argument(
        "--model", type=Path, default=paths.MODEL, metavar="DIR", help=f"what `train` wrote; default: {paths.MODEL}"
    )
    add_json(command)
    command.epilog = (
        "Example: python -m pipeline export --out exported. The graphs are compared with the original first, and "
        "nothing is written where they differ. What the model makes is synthetic: model.json has the words that say so, "
        "and a program that uses the folder has to mark its pictures itself."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.errors import UserError

    try:
        from pipeline.applications.export.folder import export
    except ModuleNotFoundError as error:
        if error.name != "onnxruntime":
            raise
        raise UserError("export: onnxruntime is not installed; `pip install onnx onnxruntime onnxscript`") from None
    say(arguments, export(arguments.out, arguments.model))
