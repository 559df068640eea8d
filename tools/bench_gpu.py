"""A training step on a GPU, at the sizes of a profile: images/s, FLOP/s and memory, as it is and compiled.

    python -m tools.bench_gpu [PROFILE] [--batch-sizes 64 128 256]

Pictures are noise, since a step takes as long on any. In the first line stands what bf16 convolutions of the networks'
widths reach, which a step cannot.
"""

import argparse
import gc
import io
import json
import shlex
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from ruamel.yaml import YAML
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from pipeline.datasets.pairs import Pairs
from pipeline.errors import UserError
from pipeline.methods import ipgan
from pipeline.methods.recogniser import recogniser
from pipeline.params import Params, load_params
from pipeline.training.trainer import channels_last

ROOT = Path(__file__).resolve().parent.parent
PEOPLE, ROUNDS, WARM_UP = 500, 8, 3


class Speed(NamedTuple):
    """Of training steps; FLOPs are counted, a multiplication and an addition are two."""

    images: float  # a second
    tflops: float  # a second
    gib: float  # of the GPU's memory, at most
    start: float  # seconds until the first steps were done: compiling is in it


def params_of(profile: Path, batch_size: int) -> Params:
    """params.yaml with a profile's settings and another batch size."""
    yaml, text = YAML(typ="safe"), io.StringIO()
    values = yaml.load((ROOT / "params.yaml").read_text())
    settings = [word for word in shlex.split(profile.read_text(), comments=True) if word != "-S"]
    for setting in [*settings, f"train.batch_size={batch_size}"]:
        key, value = setting.split("=", 1)
        *sections, name = key.split(".")
        place = values
        for section in sections:
            place = place[section]
        place[name] = YAML(typ="safe").load(value)
    yaml.dump(values, text)
    file = ROOT / ".facet" / "bench_gpu.yaml"
    file.parent.mkdir(exist_ok=True)
    file.write_text(text.getvalue())
    return load_params(file)


def steps(params: Params, compiled: bool) -> Speed:
    """Some of each kind of step."""
    p, size = params, params.data.image_size
    start = recogniser(p.model, size, PEOPLE).state_dict()
    method = channels_last(ipgan.build(p.model, p.pretrain, p.losses, p.train, size, PEOPLE, start)).cuda()
    method.known = torch.randn(4096, p.model.identity_dim, device="cuda")
    method.means = torch.randn(PEOPLE, p.model.identity_dim, device="cuda")
    optimizers = method.configure_optimizers()
    method.optimizers = lambda: optimizers  # type: ignore[assignment, method-assign, return-value]
    method.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)  # type: ignore[method-assign]
    if compiled:
        for name in method.NETWORKS:
            getattr(method, name).compile()
    kinds = [_batch(p, step % p.train.cross_every != 0) for step in range(p.train.cross_every)]

    def do() -> None:
        for pairs in kinds:
            with torch.autocast("cuda", torch.bfloat16):
                method.training_step(pairs, 0)
        torch.cuda.synchronize()

    torch.cuda.reset_peak_memory_stats()
    began = time.perf_counter()
    for _ in range(WARM_UP):
        do()
    warm = time.perf_counter() - began
    began = time.perf_counter()
    for _ in range(ROUNDS):
        do()
    seconds = (time.perf_counter() - began) / ROUNDS
    gib = torch.cuda.max_memory_allocated() / 2**30
    return Speed(len(kinds) * p.train.batch_size / seconds, 0.0 if compiled else _flops(do) / seconds / 1e12, gib, warm)


def _batch(p: Params, same: bool) -> Pairs:
    n, shape = p.train.batch_size, (p.train.batch_size, 3, p.data.image_size, p.data.image_size)
    x = torch.rand(shape, device="cuda").mul(2).sub(1).to(memory_format=torch.channels_last)
    c, s = (torch.randint(high, (n,), device="cuda") for high in (PEOPLE, 4096))
    noise = torch.randn(n, p.model.attribute_dim, device="cuda")
    return Pairs(None, x, c, c if same else c.roll(1), noise, same, s, torch.rand(n, 5, 2, device="cuda") - 0.5)


def _flops(do: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counted:
        do()
    return counted.get_total_flops()


def best_convolution(p: Params) -> float:
    """TFLOP/s of the fastest 3x3 convolution in bf16 as wide as the networks are at each of their resolutions."""
    best = 0.0
    for halvings in range(1, 4):
        width, side = p.model.width * 2**halvings, p.data.image_size // 2**halvings
        x, w = (
            torch.randn(shape, device="cuda").to(torch.bfloat16, memory_format=torch.channels_last)
            for shape in ((p.train.batch_size, width, side, side), (width, width, 3, 3))
        )
        for repeats in (5, 50):  # the first warms up
            torch.cuda.synchronize()
            began = time.perf_counter()
            for _ in range(repeats):
                conv2d(x, w, padding=1)
            torch.cuda.synchronize()
        operations = 2 * p.train.batch_size * side**2 * width**2 * 9
        best = max(best, repeats * operations / (time.perf_counter() - began) / 1e12)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", nargs="?", type=Path, default=ROOT / "profiles" / "gpu")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark is of a GPU, and torch finds none")
    torch.backends.cudnn.benchmark = False  # as in training
    rows = []
    for batch_size in arguments.batch_sizes:
        try:
            p = params_of(arguments.profile, batch_size)
        except (UserError, OSError) as error:
            raise SystemExit(str(error)) from None
        best = best_convolution(p)
        counted = 0.0  # operations an image: the counter does not see into what is compiled
        for compiled in (False, True):
            speed = steps(p, compiled)
            counted = counted or speed.tflops / speed.images
            speed = speed._replace(tflops=speed.images * counted)
            torch.compiler.reset()
            gc.collect()
            torch.cuda.empty_cache()
            print(
                f"batch {batch_size:4}  {'compiled' if compiled else 'eager   '}  {speed.images:7.0f} images/s  "
                f"{speed.tflops:6.1f} TFLOP/s ({speed.tflops / best:.2f} of a convolution's {best:.0f})  "
                f"{speed.gib:5.1f} GiB  first {WARM_UP} rounds {speed.start:.0f} s",
                flush=True,
            )
            rows.append({"batch_size": batch_size, "compiled": compiled, "convolution": best, **speed._asdict()})
    if arguments.json:
        arguments.json.write_text(json.dumps({"gpu": torch.cuda.get_device_name(), "rows": rows}, indent=2) + "\n")


if __name__ == "__main__":
    main()
