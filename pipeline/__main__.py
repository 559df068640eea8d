"""Command line: `python -m pipeline COMMAND`. dvc.yaml calls this and nothing else."""

import argparse
import importlib
import inspect
import logging
import os
import sys
from pathlib import Path

import pipeline
from pipeline import paths, stages, stopping
from pipeline.errors import UserError
from pipeline.memory import keep_memory
from pipeline.params import load_params
from pipeline.settings import is_first


def run_stage(name: str) -> None:
    """Run one stage, handing it the sections of params.yaml that its signature names."""
    if name in stages.UNSHARED and not is_first():
        return
    params = load_params()
    # Rather now than after hours of training.
    if params.evaluate.inception == "on":
        importlib.import_module("pipeline.assets").locate("inception")
    if params.evaluate.recogniser not in ("judge", "I"):
        importlib.import_module("pipeline.applications.evaluation.appointed").check(params.evaluate, params.data)
    run = importlib.import_module(f"pipeline.stages.{name}").run
    run(**{section: getattr(params, section) for section in inspect.signature(run).parameters})


def train(arguments: argparse.Namespace) -> None:
    if not arguments.dry_run:
        return run_stage("train")
    from pipeline.applications.dry_run import dry_run

    print(dry_run(load_params()))
    return None


def recombine(arguments: argparse.Namespace) -> None:
    from pipeline.applications.recombine import recombine

    subjects, samples = arguments.subject or arguments.subjects, arguments.sample or arguments.samples
    recombine(subjects, samples, arguments.out)
    print(arguments.out)


def evaluate_folder(arguments: argparse.Namespace) -> None:
    from pipeline.applications.evaluation.folder import evaluate_folder

    evaluate_folder(arguments.pairs, arguments.out, arguments.recogniser, arguments.template)
    print(arguments.out / "index.html")


def pairs(arguments: argparse.Namespace) -> None:
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


def rate(arguments: argparse.Namespace) -> None:
    from pipeline.applications import rating

    if arguments.summary:
        print(rating.summary(arguments.out))
    else:
        rating.rate(arguments.out, arguments.port, load_params().evaluate.gallery)


def inspect_folder(arguments: argparse.Namespace) -> None:
    from pipeline.datasets.building.statistics import as_text, describe

    print(as_text(describe(arguments.folder)))


def manifest(arguments: argparse.Namespace) -> None:
    from pipeline.applications.manifest import make

    make(arguments.folders, arguments.out, arguments.celeba)
    print(arguments.out)


def fetch(arguments: argparse.Namespace) -> None:
    from pipeline import assets

    for path in assets.fetch(arguments.name).files:
        print(path)


def dashboard(arguments: argparse.Namespace) -> None:
    from pipeline.applications.dashboard import dashboard

    for address in dashboard():
        print(address)


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="python -m pipeline", description=pipeline.__doc__)
    commands = top.add_subparsers(metavar="COMMAND", required=True)
    for number, name in enumerate(stages.NAMES, 1):
        command = commands.add_parser(name, help=f"stage {number} of dvc.yaml")
        command.set_defaults(run=lambda _, name=name: run_stage(name))
        if name == "train":
            command.add_argument(
                "--dry-run", action="store_true", help="say what it would be and take, write nothing, and exit"
            )
            command.set_defaults(run=train)

    command = commands.add_parser("recombine", help="a subject's face as a sample shows another's")
    for one, many, what in (("subject", "subjects", "gives the identity"), ("sample", "samples", "gives all else")):
        either = command.add_mutually_exclusive_group(required=True)
        either.add_argument(f"--{one}", type=Path, metavar="FILE", help=f"photograph that {what}")
        either.add_argument(f"--{many}", type=Path, metavar="DIR", help="a folder of them: makes the whole grid")
    command.add_argument("--out", type=Path, metavar="PNG", required=True)
    command.epilog = (
        "Example: python -m pipeline recombine --subject a.jpg --sample b.jpg --out c.png. "
        "A model trained on rendered heads (the default) does badly on photographs: train on photographs for those."
    )
    command.set_defaults(run=recombine)

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
    command.set_defaults(run=evaluate_folder)

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
    command.set_defaults(run=pairs)

    command = commands.add_parser("rate", help="people say which of two faces is made up, in a browser")
    command.add_argument("--out", type=Path, default=paths.RATINGS, metavar="CSV", help=f"default: {paths.RATINGS}")
    command.add_argument("--port", type=int, default=8000, help="of 127.0.0.1 (8000); 0: any that is free")
    command.add_argument("--summary", action="store_true", help="only say what the answers so far add up to")
    command.epilog = (
        "Example: python -m pipeline rate. Each synthesized face stands beside a photograph of its subject; nothing on "
        "the page says which is which. Every answer is kept at once; Ctrl-C ends it with the rate and its interval."
    )
    command.set_defaults(run=rate)

    command = commands.add_parser("inspect", help="what a prepared folder holds: counts, rejects, histograms")
    command.add_argument("folder", type=Path, nargs="?", default=paths.FACES, help=f"default: {paths.FACES}")
    command.set_defaults(run=inspect_folder)

    command = commands.add_parser(
        "manifest", help="a list of photographs with sizes and hashes, for data.source: manifest"
    )
    command.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="a folder with a folder for each person")
    command.add_argument("--out", type=Path, required=True, metavar="FILE", help="ends in .parquet or .csv")
    command.add_argument(
        "--celeba",
        action="store_true",
        help="DIR is CelebA's: its lists of identities, attributes, boxes and landmarks",
    )
    command.epilog = (
        "Example: python -m pipeline manifest /data/vggface2/train --out data/manifests/vggface2.parquet. "
        "Millions of loose files are no DVC dep; this file is."
    )
    command.set_defaults(run=manifest)

    command = commands.add_parser("dashboard", help="save a workspace and a comparison of all runs in W&B")
    command.epilog = "It needs a key (`wandb login`) and saves into WANDB_PROJECT (facet); what was saved before stays."
    command.set_defaults(run=dashboard)

    command = commands.add_parser("fetch", help="download published weights: yunet, reidentification, head_pose, …")
    command.add_argument("name", help="yunet, reidentification, head_pose or inception")
    command.set_defaults(run=fetch)
    return top


def main() -> int:
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("pipeline").setLevel(logging.INFO if is_first() else logging.WARNING)
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")
    keep_memory()
    arguments = parser().parse_args()
    stopping.watch()
    try:
        arguments.run(arguments)
    except UserError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except stopping.Stopped as stop:
        print("Stopped; the same command goes on with what is finished", file=sys.stderr)
        return int(stop.args[0])
    return 0


if __name__ == "__main__":
    sys.exit(main())
