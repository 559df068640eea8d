"""A training step on a GPU, at the sizes of a profile: images/s, FLOP/s and memory, as it is and compiled.

    python -m tools.bench_gpu [PROFILE] [--batch-sizes 64 128 256]

Pictures are noise, since a step takes as long on any. Beside it stands what the best bf16 convolution of the networks'
widths reaches, which a step cannot.
"""

import argparse
import gc
import json
import shlex
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
from torch import Tensor
from torch.nn.functional import conv2d
from torch.utils.flop_counter import FlopCounterMode

from pipeline.datasets.pairs import Pairs
from pipeline.errors import UserError
from pipeline.methods import ipgan
from pipeline.methods.recogniser import recogniser
from pipeline.params import Params, load_params
from pipeline.tracking.files import write
from pipeline.training.cost import peak, wait_for
from pipeline.training.trainer import channels_last
from tools.bench_training import unmoved, widths, without_trainer

ROOT = Path(__file__).resolve().parent.parent
PEOPLE, PLACES = 500, 4096  # of whom and of what the noise is
ROUNDS, WARM_UP = 8, 3


class Speed(NamedTuple):
    """Of training steps; the networks' FLOPs are counted, a multiplication and an addition are two."""

    images: float  # a second
    tflops: float  # a second
    gib: float  # of the GPU's memory, at most
    start: float  # seconds until the first steps were done: compiling is in it


def params_of(profile: Path, batch_size: int) -> Params:
    """params.yaml with a profile's settings and another batch size.

    Raises:
        UserError: a setting is none.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = shutil.copy(ROOT / "params.yaml", folder)
        settings = [word for word in shlex.split(profile.read_text(), comments=True) if word != "-S"]
        try:
            apply_overrides(file, [*settings, f"train.batch_size={batch_size}"])  # as `dvc exp run -S` does
        except DvcException as error:
            raise UserError(f"{profile}: {error.__cause__ or error}") from None
        return load_params(Path(file))


def steps(p: Params, compiled: bool, device: torch.device) -> Speed:
    """Some of each kind of step, in bf16."""
    size, model = p.data.image_size, p.model
    start = recogniser(model, size, PEOPLE).state_dict()
    method = channels_last(ipgan.build(model, p.pretrain, p.losses, p.train, size, PEOPLE, start)).to(device)
    method.known = torch.randn(PLACES, model.identity_dim, device=device)
    method.means = torch.randn(PEOPLE, model.identity_dim, device=device)
    without_trainer(method)
    if compiled:
        for name in method.NETWORKS:
            getattr(method, name).compile()
    kinds = [_batch(p, step % p.train.cross_every != 0, device) for step in range(p.train.cross_every)]

    def do() -> None:
        for pairs in kinds:
            with torch.autocast(device.type, torch.bfloat16):
                method.training_step(pairs, 0)
        wait_for(device)

    warm, seconds = _seconds(do, WARM_UP), _seconds(do, ROUNDS) / ROUNDS
    # Counted last, for it takes memory; the counter does not see into what is compiled.
    gib = peak(device) / 2**30
    with unmoved(method):
        tflops = 0.0 if compiled else _flops(do) / seconds / 1e12
    return Speed(len(kinds) * p.train.batch_size / seconds, tflops, gib, warm)


def _batch(p: Params, same: bool, device: torch.device) -> Pairs:
    n, shape = p.train.batch_size, (p.train.batch_size, 3, p.data.image_size, p.data.image_size)
    x = torch.rand(shape, device=device).mul(2).sub(1).to(memory_format=torch.channels_last)
    c, s = (torch.randint(high, (n,), device=device) for high in (PEOPLE, PLACES))
    noise = torch.randn(n, p.model.attribute_dim, device=device)
    return Pairs(None, x, c, c if same else c.roll(1), noise, same, s, torch.rand(n, 5, 2, device=device) - 0.5)


def _seconds(do: Callable[[], object], times: int) -> float:
    began = time.perf_counter()
    for _ in range(times):
        do()
    return time.perf_counter() - began


def _flops(do: Callable[[], None]) -> int:
    with FlopCounterMode(display=False) as counted:
        do()
    return counted.get_total_flops()


def best_convolution(p: Params, device: torch.device) -> float:
    """TFLOP/s of the fastest bf16 convolution of the networks' widths."""
    best = 0.0
    for x, w, operations in widths(p, torch.bfloat16, device):

        def do(x: Tensor = x, w: Tensor = w) -> None:
            for _ in range(50):  # one is too short for a clock
                conv2d(x, w, padding=1)
            wait_for(device)

        do()
        best = max(best, 50 * operations / _seconds(do, 1) / 1e12)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("profile", nargs="?", type=Path, default=ROOT / "profiles" / "gpu")
    parser.add_argument("--batch-sizes", type=int, nargs="+", default=[64, 128, 256])
    parser.add_argument("--json", type=Path, metavar="FILE")
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("this benchmark is of a GPU, and torch finds none")
    device, rows = torch.device("cuda"), []
    for batch_size in arguments.batch_sizes:
        try:
            p = params_of(arguments.profile, batch_size)
        except (UserError, OSError) as error:
            raise SystemExit(str(error)) from None
        best, counted = best_convolution(p, device), 0.0
        for compiled in (False, True):
            torch.cuda.reset_peak_memory_stats()
            speed = steps(p, compiled, device)
            counted = counted or speed.tflops / speed.images  # operations an image
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
        write(arguments.json, json.dumps({"gpu": torch.cuda.get_device_name(), "rows": rows}, indent=2))


if __name__ == "__main__":
    main()
