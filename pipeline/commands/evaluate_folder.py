"""`python -m pipeline evaluate-folder`."""

import argparse
from pathlib import Path


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("evaluate-folder", help="score the outputs of any system by the same protocol")
    command.add_argument(
        "--pairs",
        type=Path,
        required=True,
        metavar="CSV",
        help="columns subject, sample, output: paths, relative to it; and perhaps subject_person, sample_person: names",
    )
    command.add_argument("--out", type=Path, required=True, metavar="DIR", help="where metrics and index.html go")
    command.add_argument(
        "--recogniser", type=Path, metavar="ONNX", help="a face recogniser; without it: reidentification-retail-0095"
    )
    command.add_argument(
        "--template", choices=("arcface", "reidentification"), default="arcface", help="how its faces were aligned"
    )
    command.epilog = (
        "Example: python -m pipeline evaluate-folder --pairs swaps/pairs.csv --out swaps/evaluation. "
        "An output in which no face is found counts as a failure of that output."
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.evaluation.folder import evaluate_folder

    evaluate_folder(arguments.pairs, arguments.out, arguments.recogniser, arguments.template)
    print(arguments.out / "index.html")
