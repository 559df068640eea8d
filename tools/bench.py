"""The benchmarks of this repository: a table on the terminal, and JSON where --json says.

    python -m tools.bench [--json FILE] [--seconds S] [NAME ...]

Each row pairs two ways of doing the same thing, in turn and in one run, and gives the medians of their rates and that
of the rounds' ratios: machines are shared and noisy, ratios hold where times do not.
"""

import argparse
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import torch
from ruamel.yaml import YAML

from pipeline import assets
from pipeline.datasets import heads
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.errors import UserError
from pipeline.memory import keep_memory
from pipeline.metrics.neighbours import prdc
from pipeline.metrics.realism import Gaussian, fit, frechet_distance
from pipeline.tracking.files import write
from pipeline.training.trainer import channels_last
from tools.bench_training import (
    Row,
    batches_of,
    dtype,
    flops,
    loading,
    made,
    outside,
    processes,
    some_heads,
    steps_of,
    tracking,
    trainer,
)

ROOT = Path(__file__).resolve().parent.parent


class Unavailable(Exception):
    """What a row needs is not here."""


class Pair(NamedTuple):
    """Two ways, each a function that does `items` things of a kind."""

    unit: str
    items: int
    one: str
    do_one: Callable[[], object]
    other: str
    do_other: Callable[[], object]


class Commands(NamedTuple):
    """Ways that take minutes each: whole commands, which are run by turns, some seconds each."""

    unit: str
    items: int
    ways: dict[str, tuple[float, list[str]]]  # what it is -> seconds of a turn, so that all end together; the command
    folder: Path
    env: dict[str, str]


def rendering() -> Pair:
    """One core, everything included."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    drawn = [(heads.sample_identity(rng), heads.sample_attributes(rng)) for _ in range(16)]

    def render(size: int) -> Callable[[], object]:
        return lambda: [heads.render(i, a, size) for i, a in drawn]

    return Pair("images", len(drawn), "render 64x64", render(64), "render 128x128", render(128))


def reading() -> Pair:
    """The same PNG bytes from shards with their index, and from loose files."""
    rng, place = np.random.default_rng(0), Path(tempfile.mkdtemp())
    images = [heads.render(heads.sample_identity(rng), heads.sample_attributes(rng), 64).image for _ in range(64)]
    with ShardWriter(place / "shards", "faces") as writer:
        for n, image in enumerate(images):
            writer.add(f"{n:04d}", image, {"split": "train", "identity": "p"})
        writer.close()
    faces = Faces(place / "shards")
    files = []
    for n in range(len(images)):
        files.append(str(place / f"{n}.png"))
        shard, offset, size = (faces.column(c)[n] for c in ("shard", "offset", "size"))
        Path(files[-1]).write_bytes((place / "shards" / shard).read_bytes()[offset : offset + size])
    order = rng.permutation(len(images))
    return Pair(
        "images", len(order), "index + shards", lambda: faces.images(order),
        "cv2.imread, loose files", lambda: [cv2.imread(files[n]) for n in order],
    )  # fmt: skip


def preparing() -> Commands:
    """The whole stage with two workers, one plain loop that decodes, detects, aligns and encodes, and two of those.

    Two bare loops at once are what this machine has to give: its cores share caches and memory.
    """
    try:
        weights = assets.locate("yunet").path.resolve()
    except UserError as error:
        raise Unavailable(str(error)) from None
    project = Path(tempfile.mkdtemp())
    count = 40_000
    some_photographs(count, project / "data" / "photos")
    yaml = YAML()
    params = yaml.load((ROOT / "params.yaml").read_text(encoding="utf-8"))
    params["data"] |= {"source": "photos", "shard_images": 128}
    yaml.dump(params, project / "params.yaml")
    for name in ("manifests", "recordio", "unlabelled"):
        (project / "data" / name).mkdir()
    env = os.environ | {"PYTHONPATH": str(ROOT), "FACET_WORKERS": "2", "FACET_ASSETS": str(weights.parent)}
    env |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    data = params["data"]
    numbers = [str(n) for n in (data["detection"]["min_score"], data["image_size"], data["margin"])]
    loop = [sys.executable, "-m", "tools.plain_loop", "data/photos", str(weights), *numbers]
    stage = [sys.executable, "-m", "pipeline", "prepare"]
    ways = {
        "prepare, 2 workers": (3.0, stage), "1 plain loop": (5.4, [*loop, "1"]), "2 plain loops": (3.0, [*loop, "2"]),
    }  # fmt: skip
    return Commands("photographs", count, ways, project, env)


def some_photographs(count: int, place: Path) -> None:
    """So many, ten a person: real ones where FACET_SHARED has them, mirrored and cropped too; else rendered heads."""
    shared = Path(os.environ.get("FACET_SHARED") or ROOT.parent / "shared") / "faces"
    originals = sorted(f for f in shared.rglob("*") if f.suffix in (".jpg", ".png"))
    rng = np.random.default_rng(0)
    for i in range(count):
        turn, n = divmod(i, max(1, len(originals)))
        if originals:
            image = cv2.imread(str(originals[n]))
        else:
            image = heads.render(heads.sample_identity(rng), heads.sample_attributes(rng), 256).image[..., ::-1]
        image = image[:, ::-1] if turn % 2 else image
        height, width = (side * (turn // 2) // 50 for side in image.shape[:2])
        file = place / f"{i // 10:05d}" / f"{i % 10}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(file), image[height : image.shape[0] - height, width : image.shape[1] - width])


def training() -> Pair:
    """All that training does in a step as params.yaml has it; and in eager float32, contiguous, I asked each time."""
    method, batches = made(), batches_of(Faces(some_heads(Path(tempfile.mkdtemp()))))
    plain = batches_of(batches.faces, images=1)
    return Pair(
        "images",
        batches.cross_every * batches.batch_size,
        "train step, as it is",
        steps_of(channels_last(method), batches, dtype()),
        "train step, float32, contiguous",
        steps_of(made(), plain, torch.float32, torch.contiguous_format),
    )


def distance() -> Pair:
    """Fréchet distance of two Gaussians in 2048 dimensions, Inception's, and scipy's matrix square root alone."""
    import scipy.linalg

    def gaussian(seed: int) -> Gaussian:
        return fit(torch.randn(5000, 2048, generator=torch.Generator().manual_seed(seed), dtype=torch.float64))

    a, b = gaussian(0), gaussian(1)
    product = (a.covariance @ b.covariance).numpy()
    return Pair(
        "distances", 1, "eigh, symmetric", lambda: frechet_distance(a, b),
        "scipy.linalg.sqrtm", lambda: scipy.linalg.sqrtm(product),
    )  # fmt: skip


def neighbours() -> Pair:
    """Precision, recall, density and coverage of 10,000 by 10,000 images, in parts and in whole tables."""
    real, fake = (torch.randn(10_000, 256, generator=torch.Generator().manual_seed(seed)) for seed in (0, 1))
    return Pair(
        "evaluations", 1, "in parts", lambda: prdc(real, fake),
        "whole tables", lambda: whole_tables(real.double(), fake.double()),
    )  # fmt: skip


def whole_tables(real: torch.Tensor, fake: torch.Tensor) -> list[float]:
    """The same with three tables of 800 MB."""
    among = [torch.cdist(points, points).fill_diagonal_(torch.inf).kthvalue(5, dim=1).values for points in (real, fake)]
    table = torch.cdist(real, fake)
    within = table <= among[0][:, None]
    shares = [within.any(0), (table <= among[1]).any(1), within.sum(0) / 5, within.any(1)]
    return [share.double().mean().item() for share in shares]


def onnx_of_one() -> Pair:
    """An exported model against the original, one image at a time."""
    return _onnx(1)


def onnx_of_sixteen() -> Pair:
    """The same, sixteen images at once."""
    return _onnx(16)


def _onnx(images: int) -> Pair:
    try:
        from tools.bench_onnx import ways
    except ModuleNotFoundError as error:
        raise Unavailable(f"{error.name} is not installed") from None
    by_onnx, by_torch = ways(images)
    return Pair("images", images, "onnxruntime", by_onnx, "torch", by_torch)


BENCHMARKS = {
    f.__name__: f
    for f in (
        rendering,
        reading,
        preparing,
        trainer,
        training,
        flops,
        loading,
        processes,
        outside,
        tracking,
        distance,
        neighbours,
        onnx_of_one,
        onnx_of_sixteen,
    )
}


def _timed(do: Callable[[], object]) -> float:
    start = time.perf_counter()
    do()
    return time.perf_counter() - start


def by_turns(work: Commands) -> dict[str, float]:
    """Seconds that each command takes while it is let run.

    The speed of a shared machine drifts within a minute, and so would the ratio of commands run one after the other.
    So while one runs the others are stopped, whatever they have started with them.
    """
    running = {}
    for way, (_, command) in work.ways.items():
        process = subprocess.Popen(
            command, cwd=work.folder, env=work.env, start_new_session=True,
            stdout=subprocess.DEVNULL, stderr=(work.folder / f"{way}.log").open("wb"),
        )  # fmt: skip
        os.killpg(process.pid, signal.SIGSTOP)
        running[way] = process
    took = dict.fromkeys(work.ways, 0.0)
    while running:
        for way, process in list(running.items()):
            start = time.perf_counter()
            os.killpg(process.pid, signal.SIGCONT)
            try:
                code = process.wait(work.ways[way][0])
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGSTOP)
            else:
                del running[way]
                if code:
                    sys.exit(f"{' '.join(work.ways[way][1])} failed:\n{(work.folder / f'{way}.log').read_text()}")
            took[way] += time.perf_counter() - start
    return took


def measure(pair: Pair, seconds: float) -> Row:
    """A B A B … until the time is up, three times at least, after a round that does not count."""
    times: tuple[list[float], list[float]] = ([], [])
    pair.do_one(), pair.do_other()
    end = time.monotonic() + seconds
    while len(times[0]) < 3 or time.monotonic() < end:
        for do, spent in zip((pair.do_one, pair.do_other), times, strict=True):
            spent.append(_timed(do))
    rates = (pair.items / statistics.median(spent) for spent in times)
    ratio = statistics.median(b / a for a, b in zip(*times, strict=True))
    return Row(f"{pair.unit}/s", dict(zip((pair.one, pair.other), rates, strict=True)), ratio, len(times[0]))


def measure_commands(work: Commands) -> Row:
    """Each once; the ratio is that of the first to the second."""
    rates = {way: work.items / seconds for way, seconds in by_turns(work).items()}
    one, other, *_ = rates.values()
    return Row(f"{work.unit}/s", rates, one / other, 1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all of them by default")
    parser.add_argument("--json", type=Path, default=ROOT / ".facet" / "bench.json", metavar="FILE")
    parser.add_argument("--seconds", type=float, default=8.0, help="for each row")
    arguments = parser.parse_args()
    if unknown := set(arguments.names) - set(BENCHMARKS):
        parser.error(f"no benchmark is named {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    keep_memory()
    rows = {}
    print(f"{os.cpu_count()} cores, torch {torch.__version__}, {torch.get_num_threads()} threads; medians")
    for name in arguments.names or BENCHMARKS:
        try:
            work = BENCHMARKS[name]()
        except Unavailable as error:
            print(f"{name:10} not measured: {error}")
            continue
        if isinstance(work, Pair):
            row = measure(work, arguments.seconds)
        else:
            row = work if isinstance(work, Row) else measure_commands(work)
        told = "   ".join(f"{way}: {rate:.1f} {row.unit}" for way, rate in row.rates.items())
        print(f"{name:10} ratio {row.ratio:5.3g}   {told}   {row.rounds} rounds", flush=True)
        rates = {way: round(rate, 1) for way, rate in row.rates.items()}
        rows[name] = rates | {"unit": row.unit, "rounds": row.rounds, "ratio": float(f"{row.ratio:.3g}")}
    write(arguments.json, json.dumps(rows, indent=2, sort_keys=True))
    print(f"JSON       {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
