"""`python -m pipeline pairs`."""

import argparse
from pathlib import Path

from pipeline.errors import UserError


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("pairs", help="the list for evaluate-folder, of outputs named as data sets name them")
    command.add_argument("--videos", type=Path, metavar="DIR", help="a folder of frames for each original video")
    command.add_argument("--subjects", type=Path, metavar="DIR", help="photographs, each of another person")
    command.add_argument("--samples", type=Path, metavar="DIR", help="likewise")
    command.add_argument(
        "--outputs", type=Path, metavar="DIR", required=True, help="TARGET_SOURCE/, SUBJECT_SAMPLE.png"
    )
    command.add_argument("--frames", type=int, default=10, metavar="N", help="of each pair of videos (10)")
    command.add_argument("--out", type=Path, metavar="CSV", required=True)
    command.epilog = (
        "Example, outputs in folders TARGET_SOURCE as FaceForensics++ has them: python -m pipeline pairs --videos "
        "original --outputs mine --out pairs.csv. Example, outputs named SUBJECT_SAMPLE.png: python -m pipeline pairs "
        "--subjects first --samples second --outputs mine --out pairs.csv"
    )
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline.applications.evaluation import lists

    if bool(arguments.videos) == bool(arguments.subjects and arguments.samples):
        raise UserError("pairs: give --videos, or --subjects and --samples")
    if arguments.frames < 1:
        raise UserError(f"pairs: --frames should be at least 1 (got {arguments.frames})")
    if arguments.videos:
        rows = lists.of_videos(arguments.videos, arguments.outputs, arguments.frames)
    else:
        rows = lists.of_grid(arguments.subjects, arguments.samples, arguments.outputs)
    print(f"{arguments.out}: {lists.write(rows, arguments.out)} outputs")
