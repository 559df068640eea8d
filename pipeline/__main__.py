"""Command line: `python -m pipeline COMMAND`. dvc.yaml calls this and nothing else."""

import argparse
import importlib
import inspect
import logging
import os
import signal
import sys
from typing import TYPE_CHECKING

import pipeline
from pipeline import commands, stages
from pipeline.errors import UserError
from pipeline.memory import importing, keep_memory

if TYPE_CHECKING:
    from pipeline.params import Params


def load() -> "Params":
    """The settings; reading the schema takes longer than all else of `--help`, so only those who want them do."""
    from pipeline.params import load_params

    return load_params()


def run_stage(name: str) -> None:
    """Run one stage, handing it the sections of params.yaml that its signature names, or what it asks of them."""
    from pipeline.params import narrowed
    from pipeline.settings import is_first

    if name in stages.UNSHARED and not is_first():
        return
    params = load()
    # Rather now than after hours of training.
    if params.evaluate.inception == "on":
        importlib.import_module("pipeline.assets").locate("inception")
    if params.evaluate.recogniser not in ("judge", "I"):
        importlib.import_module("pipeline.applications.evaluation.appointed").check(params.evaluate, params.data)
    with importing():
        run = importlib.import_module(f"pipeline.stages.{name}").run
    wanted = inspect.signature(run).parameters.items()
    run(**{name: narrowed(getattr(params, name), parameter.annotation) for name, parameter in wanted})


def train(arguments: argparse.Namespace) -> None:
    if not arguments.dry_run:
        return run_stage("train")
    from pipeline.applications.dry_run import dry_run

    print(dry_run(load()))
    return None


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m pipeline", description=pipeline.__doc__)
    known = top.add_subparsers(metavar="COMMAND", required=True)
    for number, name in enumerate(stages.NAMES, 1):
        command = known.add_parser(name, help=f"stage {number} of dvc.yaml")
        command.set_defaults(run=lambda _, name=name: run_stage(name))
        if name == "train":
            command.add_argument(
                "--dry-run", action="store_true", help="say what it would be and take, write nothing, and exit"
            )
            command.set_defaults(run=train)
    for name in commands.NAMES:
        importlib.import_module(f"pipeline.commands.{name}").add(known)
    return top


def main() -> int:
    arguments = parser().parse_args()
    # `--help` has left by now: these take three times as long as all of it.
    from pipeline import stopping
    from pipeline.settings import is_first

    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pipeline").setLevel(logging.INFO if is_first() else logging.WARNING)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    keep_memory()
    stopping.watch()
    try:
        arguments.run(arguments)
        sys.stdout.flush()
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except stopping.Stopped as stop:
        print("Stopped; the same command goes on with what is finished", file=sys.stderr)
        return int(stop.args[0])
    except BrokenPipeError:  # whoever read along, `head` for instance, has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # for what Python still has to write
        return 128 + signal.SIGPIPE
    return 0


if __name__ == "__main__":
    sys.exit(main())
