import faulthandler
import resource
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from PIL import Image, features

from pipeline.datasets.photographs.decoding import MAX_PIXELS, Undecodable, decode
from tests.conftest import ROOT
from tests.datasets.photographs.test_decoding import box, encoded, exif_block, heic
from tests.fuzzing import mutated

OUTCOMES = {"a picture", "empty", "not_an_image", "damaged", "too_large"}
LONGEST = 5.0  # seconds for one file
LARGEST = 2**20  # kilobytes that decoding may add to the process


def seeds() -> list[bytes]:
    """Small pictures in every format, and in the kinds of it that take different ways through the decoder."""
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (16, 24, 4), dtype=np.uint8)
    plain, clear = Image.fromarray(noise[..., :3]), Image.fromarray(noise)
    smooth = Image.linear_gradient("L").resize((48, 32)).convert("RGB")
    deep = Image.fromarray(rng.integers(0, 65536, (16, 24), dtype=np.uint16))
    turned = exif_block(6)
    files = [
        encoded(smooth, "jpeg", exif=turned),
        encoded(smooth, "jpeg", progressive=True),
        encoded(smooth.convert("CMYK"), "jpeg"),
        encoded(plain, "png", exif=turned),
        encoded(clear.quantize(8), "png", transparency=0),
        encoded(deep, "png"),
        encoded(plain, "png", save_all=True, append_images=[smooth.resize((24, 16))]),
        encoded(plain, "gif", save_all=True, append_images=[smooth.resize((24, 16))]),
        encoded(plain, "bmp"),
        encoded(smooth.quantize(8), "bmp"),
        *[encoded(smooth, "tiff", compression=name, exif=turned) for name in (None, "tiff_lzw", "jpeg", "packbits")],
        encoded(deep, "tiff", compression="tiff_adobe_deflate"),
        encoded(deep.convert("F"), "tiff"),
        encoded(smooth, "webp", exif=turned),
        encoded(clear, "webp", lossless=True),
        encoded(smooth, "webp", save_all=True, append_images=[plain.resize(smooth.size)]),
        encoded(smooth, "jpeg2000"),
        encoded(clear, "jpeg2000", no_jp2=True, irreversible=True),
        encoded(plain, "ppm"),
        encoded(deep, "ppm"),
        b"P3 2 2 255 1 2 3 4 5 6 7 8 9 10 11 12\n",
        heic(turns=(box(b"irot", b"\3"),), exif=turned),
        heic(b"mif1heic"),
    ]
    if features.check("avif"):
        files += [encoded(smooth, "avif", exif=turned), encoded(clear, "avif")]
    return files


def outcome(data: bytes) -> str:
    """What came of it, as one of a few words.

    Raises:
        AssertionError: something that no caller expects.
    """
    try:
        image = decode(data)
    except Undecodable as refusal:
        return refusal.reason if refusal.detail.isprintable() and len(refusal.detail) < 300 else refusal.detail
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
    return "a picture"


def fuzz(examples: int, start: int | None, current: Path) -> None:
    """Decode damaged files in this process, each of them first written to `current`.

    Args:
        examples: how many.
        start: seed of the search; None: the same search every time, whatever Hypothesis' version makes of it.
        current: the file that is tried, for whoever finds this process dead.
    """
    files = seeds()
    for data in files:
        assert outcome(data) in ("a picture", "not_an_image")  # the latter where a library is missing
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    outcomes = Counter[str]()
    slowest = 0.0

    @settings(
        max_examples=examples,
        derandomize=start is None,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(mutated(files))
    def one(data: bytes) -> None:
        nonlocal slowest
        current.write_bytes(data)
        faulthandler.dump_traceback_later(10 * LONGEST, exit=True)
        begin = time.monotonic()
        what = outcome(data)
        outcomes[what] += 1
        seconds = time.monotonic() - begin
        slowest = max(slowest, seconds)
        assert what in OUTCOMES
        assert seconds < LONGEST
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < LARGEST

    (one if start is None else seed(start)(one))()
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10
    print(dict(outcomes), f"slowest {slowest:.2f} s, memory +{grown} MiB")  # noqa: T201
    assert min(outcomes["a picture"], outcomes["damaged"], outcomes["not_an_image"]) > examples // 20  # it tests much


def fuzz_in_a_child(examples: int, start: int | None, folder: Path) -> None:
    current = folder / "input"
    program = (
        f"from pathlib import Path; from {__name__} import fuzz; fuzz({examples}, {start}, Path({str(current)!r}))"
    )
    done = subprocess.run(
        [sys.executable, "-X", "faulthandler", "-c", program], cwd=ROOT, capture_output=True, text=True
    )
    print(done.stdout)  # noqa: T201
    assert done.returncode == 0, f"exit code {done.returncode} on {current}\n{done.stdout[-2000:]}{done.stderr[-6000:]}"


@pytest.mark.slow
def test_damaged_bytes_give_a_picture_or_a_reason_and_nothing_else(tmp_path: Path) -> None:
    fuzz_in_a_child(500, None, tmp_path)


@pytest.mark.soak
@pytest.mark.timeout(3600)
def test_ten_thousand_damaged_files_give_a_picture_or_a_reason_and_nothing_else(tmp_path: Path) -> None:
    fuzz_in_a_child(10_000, 1, tmp_path)
