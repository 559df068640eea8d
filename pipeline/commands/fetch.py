"""`python -m pipeline fetch`."""

import argparse


def add(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    command = commands.add_parser("fetch", help="download published weights: yunet, reidentification, head_pose, …")
    command.add_argument("name", help="yunet, reidentification, head_pose or inception")
    command.set_defaults(run=run)


def run(arguments: argparse.Namespace) -> None:
    from pipeline import assets

    for path in assets.fetch(arguments.name).files:
        print(path)
