"""A hundred times the photographs, the same memory."""

import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

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
