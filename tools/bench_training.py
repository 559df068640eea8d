"""The rows of `tools.bench` about training: params.yaml's networks, batch and precision on rendered heads.

`python -m tools.bench_training FACES FILE` is what `processes` runs: a fit, whose seconds a step go into FILE.
"""

import contextlib
import itertools
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytorch_lightning as pl
import torch
from ruamel.yaml import YAML
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from pipeline.datasets import heads
from pipeline.datasets.pairs import PairBatches, Pairs
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.memory import keep_memory
from pipeline.methods import ipgan
from pipeline.methods.asymmetric import passes
from pipeline.methods.recogniser import recogniser
from pipeline.params import Params, load_params
from pipeline.training.average import Average
from pipeline.training.devices import arithmetic
from pipeline.training.ending import Ending
from pipeline.training.trainer import Fit, channels_last

ROOT = Path(__file__).resolve().parent.parent
PEOPLE, PICTURES = 16, 8
STEP_SECONDS = 0.25  # of `train` with the committed params, where it is fastest
STEPS, SKIPPED = 38, 8  # of a measured run; the first ones warm caches and allocators
ROUNDS = 3


class Row(NamedTuple):
    """What came of it."""

    unit: str
    rates: dict[str, float]  # of each way
    ratio: float  # of the first two
    rounds: int


def some_heads(folder: Path) -> Path:
    """A data set as `prepare` makes it, as small as batches allow."""
    rng, size = np.random.default_rng(0), load_params(ROOT / "params.yaml").data.image_size
    with ShardWriter(folder / "faces", "faces") as shards:
        for person, picture in itertools.product(range(PEOPLE), range(PICTURES)):
            identity = heads.sample_identity(np.random.default_rng(person))
            image = heads.render(identity, heads.sample_attributes(rng), size).image
            shards.add(f"{person:02d}-{picture:02d}", image, {"split": "train", "identity": f"{person:02d}"})
        shards.close()
    return folder / "faces"


def dtype() -> torch.dtype:
    """Of the forward passes, as `train` has it on this machine."""
    chosen = arithmetic(load_params(ROOT / "params.yaml").train.precision)
    return torch.bfloat16 if chosen == "bf16-mixed" else torch.float32


def made() -> ipgan.IPGAN:
    """The method as params.yaml has it."""
    p = load_params(ROOT / "params.yaml")
    start = recogniser(p.model, p.data.image_size, PEOPLE).state_dict()
    return ipgan.build(p.model, p.pretrain, p.losses, p.train, p.data.image_size, PEOPLE, start)


def usual(ends: list[float]) -> float:
    """Seconds of a step: the median over runs of as many as show each kind once, so that a hiccup does not count."""
    every = load_params(ROOT / "params.yaml").train.cross_every
    return statistics.median(np.diff(ends[SKIPPED - 1 :: every])) / every


class Clock(pl.Callback):
    """When each step ended, and how long its forward, backward and optimizers took; ends the fit in time."""

    def __init__(self, method: ipgan.IPGAN, ending: Ending) -> None:
        self.ending = ending
        self.ends: list[float] = []
        self.inside: list[float] = []
        step = method.training_step

        def timed(*arguments: Any) -> None:
            began = time.perf_counter()
            step(*arguments)
            self.inside.append(time.perf_counter() - began)

        method.training_step = timed  # type: ignore[method-assign]

    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        self.ends.append(time.perf_counter())
        if len(self.ends) == STEPS:
            self.ending.write(trainer, module)
            trainer.should_stop = True

    @property
    def seconds(self) -> float:
        """Of a step, with everything around it and its part of a checkpoint."""
        return usual(self.ends) + self.ending.took / self.ending.every


def fitted(faces: Path) -> Clock:
    """The first steps of a fit as `train` makes it: curves, average, checkpoints."""
    method = made()
    t = method.schedule
    average = Average(method.AVERAGED, t.average_images, t.batch_size)
    with tempfile.TemporaryDirectory() as folder:
        fit = Fit("train", Path(folder), t.images, t.batch_size, t.precision, lambda *_, **__: None, average)
        clock = Clock(method, fit.ending)
        fit.callbacks.append(clock)
        fit.run(method, batches_of(Faces(faces)))
    return clock


def by_hand(batches: PairBatches) -> float:
    """Seconds of a step of a loop as one would write it: no Trainer, no curves, no average."""
    method = channels_last(made())
    method.remember(batches)
    steppers, ends = method.configure_optimizers(), []
    for step in range(STEPS):
        batch = batches[step]
        with torch.autocast("cpu", torch.bfloat16, enabled=dtype() != torch.float32):
            L = method.terms(batch)
            for names, weights in passes(method.objectives(batch.same), method.REACHES):
                objective = torch.stack([w * L[term] for term, w in weights.items()]).sum()
                inputs = [p for name in names for p in getattr(method, name).parameters()]
                objective.backward(inputs=inputs, retain_graph=True)
        for stepper in steppers:
            stepper.step()
            stepper.zero_grad()
        ends.append(time.perf_counter())
    return usual(ends)


def steps_of(
    method: ipgan.IPGAN, batches: PairBatches, precision: torch.dtype, lying: torch.memory_format = torch.channels_last
) -> Callable[[], None]:
    """As many training steps as show each kind once, without a Trainer."""
    method.remember(batches)
    without_trainer(method)
    steps = [laid(batches[step], lying) for step in range(batches.cross_every)]

    def do() -> None:
        for pairs in steps:
            with torch.autocast("cpu", precision, enabled=precision != torch.float32):
                method.training_step(pairs, 0)

    return do


def without_trainer(method: ipgan.IPGAN) -> None:
    """Give it what a step asks a Trainer for: its optimizers and the backward pass."""
    optimizers = method.configure_optimizers()
    method.optimizers = lambda: optimizers  # type: ignore[assignment, method-assign, return-value]
    method.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)  # type: ignore[method-assign]


@contextlib.contextmanager
def unmoved(method: ipgan.IPGAN) -> Iterator[None]:
    """Steps that have gradients and move nothing."""
    moving = method.optimizers
    method.optimizers = list  # type: ignore[assignment, method-assign]
    try:
        yield
    finally:
        method.optimizers = moving  # type: ignore[method-assign]
        method.zero_grad()


def laid(pairs: Pairs, lying: torch.memory_format) -> Pairs:
    """The same with images that lie so in memory."""
    x_s = pairs.x_s if pairs.x_s is None else pairs.x_s.contiguous(memory_format=lying)
    return pairs._replace(x_s=x_s, x_a=pairs.x_a.contiguous(memory_format=lying))


def data() -> tuple[Path, PairBatches]:
    """Faces, and what `train` would be given of them."""
    faces = some_heads(Path(tempfile.mkdtemp()))
    return faces, batches_of(Faces(faces))


def batches_of(faces: Faces, **changed: Any) -> PairBatches:
    """As params.yaml has them but for what is changed of `train`."""
    p = load_params(ROOT / "params.yaml")
    return ipgan.batches(faces, p.model, p.train.model_copy(update=changed))


def in_turn(*ways: Callable[[], float]) -> list[list[float]]:
    """What each gives, ROUNDS times in turn."""
    rounds = [[way() for way in ways] for _ in range(ROUNDS)]
    return [list(column) for column in zip(*rounds, strict=True)]


def trainer() -> Row:
    """Images/s of Lightning's Trainer with all that `train` hangs on it, and of a loop written by hand."""
    faces, batches = data()
    theirs, ours = in_turn(lambda: fitted(faces).seconds, lambda: by_hand(batches))
    ratio = statistics.median(b / a for a, b in zip(theirs, ours, strict=True))
    rates = {name: batches.batch_size / statistics.median(x) for name, x in (("Trainer", theirs), ("by hand", ours))}
    return Row("images/s", rates, ratio, ROUNDS)


def outside() -> Row:
    """What of a step is outside forward, backward and optimizers: data, curves, average, checkpoints."""
    faces, _ = data()
    clocks = [fitted(faces) for _ in range(ROUNDS)]
    inside = statistics.median(usual(list(itertools.accumulate(clock.inside))) for clock in clocks)
    whole = statistics.median(clock.seconds for clock in clocks)
    return Row("ms", {"outside": 1e3 * (whole - inside), "a step": 1e3 * whole}, (whole - inside) / whole, ROUNDS)


def loading() -> Row:
    """Pairs/s that the loader makes, and that training takes."""
    faces, batches = data()

    def made_ahead() -> float:
        began = time.perf_counter()
        for step in range(2 * STEPS):
            batches[step]
        return (time.perf_counter() - began) / (2 * STEPS)

    loader, training = in_turn(made_ahead, lambda: fitted(faces).seconds)
    ratio = statistics.median(b / a for a, b in zip(loader, training, strict=True))
    took = {"loader": loader, "training": training}
    rates = {name: batches.batch_size / statistics.median(seconds) for name, seconds in took.items()}
    return Row("pairs/s", rates, ratio, ROUNDS)


def flops() -> Row:
    """GFLOP/s of a whole training step, and the best that a 3x3 convolution of its widths reaches here.

    Counted are the networks' operations, forward and backward; what Muon multiplies is in the time alone.
    """
    _, batches = data()
    method = channels_last(made())
    do = steps_of(method, batches, dtype())
    with unmoved(method), FlopCounterMode(display=False) as counted:
        do()
    work = counted.get_total_flops()

    def whole() -> float:
        return min(_timed(do) for _ in range(4))

    def convolution() -> float:
        return min(seconds / operations for seconds, operations in _convolutions())

    steps_took, convolutions_took = in_turn(whole, convolution)
    rates = {"train step": work / min(steps_took) / 1e9, "best convolution": 1 / min(convolutions_took) / 1e9}
    return Row("GFLOP/s", rates, rates["train step"] / rates["best convolution"], ROUNDS)


def _convolutions() -> Iterator[tuple[float, float]]:
    """Seconds and operations of each of some."""
    for x, w, operations in widths(load_params(ROOT / "params.yaml"), dtype()):
        for _ in range(10):
            yield _timed(lambda x=x, w=w: conv2d(x, w, padding=1)), operations


def widths(
    p: Params, precision: torch.dtype, device: torch.device | str = "cpu"
) -> Iterator[tuple[torch.Tensor, torch.Tensor, int]]:
    """What 3x3 convolutions as wide as the networks' at each resolution work on, and their operations."""
    for halvings in range(1, 4):
        width, side, images = p.model.width * 2**halvings, p.data.image_size // 2**halvings, p.train.batch_size
        x, w = torch.randn(images, width, side, side), torch.randn(width, width, 3, 3)
        x, w = (t.to(device, precision, memory_format=torch.channels_last) for t in (x, w))
        yield x, w, 2 * images * side**2 * width**2 * 9


def _timed(do: Callable[[], object]) -> float:
    began = time.perf_counter()
    do()
    return time.perf_counter() - began


def tracking() -> Row:
    """Seconds that `train` computes for tracking, and takes in all where a step is as fast as in docs/benchmarks.md.

    In a project with as many bytes to hash, as many points, looks and pictures as the committed params make; a run
    that is kept offline, with the import of wandb and the process that W&B runs beside the stage. Of the processor, as
    others that use it do not stretch those.
    """
    from pipeline import tracking
    from pipeline.tracking.attempt import processor_seconds

    p = load_params(ROOT / "params.yaml")
    lock = YAML(typ="safe").load((ROOT / "dvc.lock").read_text())["stages"]["train"]
    sizes = {entry["path"]: entry["size"] for entry in (*lock["deps"], *lock["outs"])}
    curves = [file.read_text().splitlines() for file in sorted((ROOT / "results/train/plots").glob("*.csv"))]
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        (Path(folder) / "dvc.yaml").write_text(
            "stages: {prepare: {outs: [data/faces]}, train: {deps: [data/faces], outs: [models/train]}}"
        )
        for path in map(Path, ("data/faces", "models/train")):
            path.parent.mkdir()
            path.write_bytes(os.urandom(sizes[path.as_posix()]))
        os.environ["WANDB_MODE"] = "offline"
        began = processor_seconds()
        with tracking.run("train", p.data, p.model, p.pretrain, p.losses, p.train) as run:
            for header, *rows in curves:
                for row in rows:
                    images, *values = map(float, row.split(","))
                    run.log(dict(zip(header.split(",")[1:], values, strict=True)), int(images))
                    if header.startswith("images,val/"):
                        run.picture("val/grid", ROOT / "docs" / "grid.png")
        took = processor_seconds() - began
    whole = STEP_SECONDS * p.train.images / p.train.batch_size
    return Row("s", {"tracking": took, "train": whole}, took / whole, 1)


def processes() -> Row:
    """Two processes and one on the same cores, with the same batch of all together."""
    faces, batches = data()
    two, one = in_turn(lambda: _in_processes(2, faces), lambda: _in_processes(1, faces))
    ratio = statistics.median(b / a for a, b in zip(two, one, strict=True))
    rates = {f"{n} processes": batches.batch_size / statistics.median(x) for n, x in ((2, two), (1, one))}
    return Row("images/s", rates, ratio, ROUNDS)


def _in_processes(count: int, faces: Path) -> float:
    """Seconds of a step."""
    told = Path(tempfile.mkdtemp()) / "seconds.json"
    env = os.environ | {"FACET_DEVICES": str(count), "PYTHONPATH": str(ROOT)}
    subprocess.run([sys.executable, "-m", "tools.bench_training", faces, told], env=env, cwd=ROOT, check=True)
    return json.loads(told.read_text())


if __name__ == "__main__":
    keep_memory()
    Path(sys.argv[2]).write_text(json.dumps(fitted(Path(sys.argv[1])).seconds))
