"""What a command prints at its end: the file that it wrote, or with --json all about it, for scripts."""

import argparse
import json
from collections.abc import Mapping
from typing import Any


def add_json(command: argparse.ArgumentParser) -> None:
    command.add_argument("--json", action="store_true", help="print what was made, of what, as one line of JSON")


def say(arguments: argparse.Namespace, made: Mapping[str, Any]) -> None:
    """`made` has the written file as `out`; where that is standard output, nothing else is printed."""
    if str(made["out"]) != "-":
        print(json.dumps(made) if arguments.json else made["out"])
