"""`python -m pipeline demo`."""

import argparse
from pathlib import Path

from pipeline import paths


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("demo", help="a page on 127.0.0.1 on which people try the trained model")
    command.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR", help=f"default: {paths.MODEL}")
    command.add_argument("--port", type=int, default=7860, help="of 127.0.0.1 (7860); 0: any that is free")
    command.epilog = (
        "Example: python -m pipeline demo. Rendered heads to choose from are on the page; photographs need the "
        "detector (`python -m pipeline fetch yunet`). Sliders are learned once from the rendered heads of data/faces, "
        "before the page opens, and absent without. Nothing leaves this machine, and what people upload is deleted "
        "when Ctrl-C ends it. The metadata of every picture say that it is synthetic and by which model."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.demo.serving import serve

    serve(arguments.model, arguments.port)
