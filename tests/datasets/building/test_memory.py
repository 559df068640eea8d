"""A hundred times the photographs, the same memory."""

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.building.decide import decide, gather
from pipeline.datasets.building.merge import merge
from pipeline.datasets.building.parts import INDEX, REJECTS, THUMBNAIL, Part
from pipeline.datasets.building.statistics import describe
from pipeline.datasets.faces import Quality
from pipeline.datasets.shards import write_table
from tests.conftest import ROOT
from tests.datasets.building.projects import project, start
from tests.datasets.building.test_engine import workers_of

GIB = 2**30


def peaks(folder: Path, shared: Path) -> tuple[int, int]:
    """Bytes that the hungriest worker, and the command itself, held at most."""
    process = start(folder, FACET_ASSETS=str(shared / "models"))
    workers: dict[int, int] = {}
    own = 0
    while process.poll() is None:
        for worker in workers_of(process):
            workers[worker.pid] = max(workers.get(worker.pid, 0), peak(worker.pid))
        own = max(own, peak(process.pid))
        time.sleep(0.2)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    return max(workers.values()), own


def peak(pid: int) -> int:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM")), 0)


@pytest.mark.soak
@pytest.mark.shared
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_a_worker_needs_as_much_memory_for_20000_photographs_as_for_200(shared, tmp_path, record_property):
    photographs = sorted((shared / "faces" / "london").glob("*/*.jpg"))[:200]
    held = {}
    for times in (1, 100):
        # Copies of one another are found only after the workers' part is done.
        rows = [{"path": str(p), "identity": f"{turn}-{p.parent.name}"} for turn in range(times) for p in photographs]
        data = {"source": ["manifest"], "image_size": 64, "shard_images": 256, "duplicates": {"near_bits": -1}}
        folder = project(tmp_path / str(times), **data)
        pq.write_table(pa.Table.from_pylist(rows), folder / "data" / "manifests" / "all.parquet")
        held[times] = peaks(folder, shared)
    few, many = (held[times][0] for times in (1, 100))
    own = [held[times][1] for times in (1, 100)]
    told = f"a worker: {few / GIB:.3f}, {many / GIB:.3f} GiB; the command: {own[0] / GIB:.3f}, {own[1] / GIB:.3f} GiB"
    record_property("memory", told)
    assert many < 1.1 * few, told
    assert many < 1.5 * GIB, told


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc here")
def test_the_command_holds_at_most_64_bytes_an_image(tmp_path, record_property):
    """Of hashes and index, from parts to statistics, in a process of its own; parts as workers leave them."""
    few, many = 100_000, 500_000
    held = {}
    for images in (few, many):
        folder = tmp_path / str(images)
        script = f"from tests.datasets.building.test_memory import measured; measured({str(folder)!r}, {images})"
        done = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        seconds, held[images] = float(done.stdout.split()[-2]), int(done.stdout.split()[-1])
    each = (held[many] - held[few]) / (many - few)
    record_property("bytes_an_image", each)
    record_property("seconds_a_million_images", seconds * 1e6 / many)
    assert each <= 64, each


def measured(folder: str, images: int) -> None:
    """Print how many bytes the command held at most, for what it does with so many images, and how long it took."""
    place = Path(folder)
    made = parts(place, images)
    Path("/proc/self/clear_refs").write_text("5")  # the peak begins here
    before = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    start = time.monotonic()
    merged(place, made)
    assert describe(place / "faces").numbers["prepare/images"] == images
    sys.stdout.write(f"{time.monotonic() - start:.1f} {peak(os.getpid()) - before}\n")


def parts(place: Path, images: int) -> list[Part]:
    """Parts as workers leave them."""
    (place / "parts").mkdir(parents=True)
    in_part, made = 4096, []
    for n in range(-(-images // in_part)):
        rows = [row(n * in_part + i) for i in range(min(in_part, images - n * in_part))]
        made.append(Part(f"train-{n:05d}", len(rows), 0, {}))
        write_table(place / f"parts/train-{n:05d}.parquet", rows, INDEX)
        write_table(place / f"parts/train-{n:05d}.rejects", [], REJECTS.append(THUMBNAIL))
        (place / f"parts/train-{n:05d}.tar").touch()
    write_table(place / "listing.rejects", [], REJECTS)
    return made


def merged(place: Path, made: list[Part]) -> None:
    """What the command does when all parts are there."""
    facts = gather(made, place / "parts")
    decisions = decide(facts, place / "parts", 14, -1.0, 1)
    merge(place / "parts", facts, decisions, place / "listing.rejects", place / "faces")


def row(i: int) -> dict[str, Any]:
    """An image as the index has it; thirty of a person."""
    rng = np.random.default_rng(i)
    numbers = dict.fromkeys(Quality._fields, 1.0) | {"score": 0.9, "faces": 1, "offset": 512, "size": 7000}
    identity = f"photos/n{i // 30:06d}"
    return numbers | {
        "key": f"train{i:09d}", "shard": "train-00000.tar", "identity": identity, "split": "train",
        "source": f"{identity}/{i:08d}.jpg", "sha256": rng.bytes(32).hex(), "source_sha256": rng.bytes(32).hex(),
        "hash": rng.bytes(32), "box": [1.0] * 4, "landmarks": [1.0] * 10, "photograph_landmarks": [1.0] * 10,
    }  # fmt: skip
