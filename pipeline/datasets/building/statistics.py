"""What a prepared folder holds, as numbers and histograms; read from its index, whoever made it."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.shards import Faces, ShardError
from pipeline.datasets.splits import PROTECTED

# Column of the index -> edges of its histogram; what lies outside counts in the first or last bin.
HISTOGRAMS = {
    "yaw": np.arange(-90, 91, 10),
    "eye_distance": np.array([0, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 512]),
    "sharpness": np.array([0, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000]),
    "skin_ita": np.arange(-90, 91, 15),
}
IMAGES_PER_PERSON = np.array([1, 2, 3, 5, 10, 20, 50, 100, 200, 500, 1000])
MEDIANS = ("eye_distance", "sharpness", "exposure", "contrast", "skin_ita")


class Histogram(NamedTuple):
    """Counts between edges: `counts[i]` of values in [edges[i], edges[i + 1])."""

    edges: np.ndarray
    counts: np.ndarray


class Statistics(NamedTuple):
    """All of it; `numbers` has the keys of the metrics file."""

    numbers: dict[str, float]
    splits: dict[str, tuple[int, int]]  # split -> images, people
    reasons: dict[str, int]  # most frequent first
    histograms: dict[str, Histogram]


def describe(folder: Path) -> Statistics:
    """Read a prepared folder's tables.

    Raises:
        ShardError: they are missing or damaged.
    """
    faces = Faces(folder)
    per_person, counts = _counted(folder / "index.parquet")
    reasons = _reasons(folder / "rejects.parquet")
    numbers: dict[str, float] = {"images": len(faces), "people": len(per_person), "rejects": sum(reasons.values())}
    for name, (images, of_people) in counts.items():
        numbers |= {f"images/{name}": images, f"people/{name}": of_people}
    numbers |= {f"rejects/{reason}": count for reason, count in reasons.items()}
    numbers["copies_across_people"] = _length(folder / "copies.parquet")
    if len(per_person):
        numbers["images_per_person/median"] = float(np.median(per_person))
    histograms = {"images_per_person": _histogram(per_person, IMAGES_PER_PERSON)}
    for name in dict.fromkeys((*HISTOGRAMS, *MEDIANS)):
        values = faces.column(name).astype(np.float32)
        values = values[np.isfinite(values)]
        if name in HISTOGRAMS:
            histograms[name] = _histogram(values, HISTOGRAMS[name])
        if name in MEDIANS and len(values):
            numbers[f"{name}/median"] = round(float(np.median(values)), 4)
    return Statistics({f"prepare/{key}": v for key, v in numbers.items()}, counts, reasons, histograms)


def _counted(index: Path) -> tuple[np.ndarray, dict[str, tuple[int, int]]]:
    """Images of each person, and images and people of each split; a row group at a time."""
    of_person: Counter[tuple[str, str]] = Counter()
    images: Counter[str] = Counter()
    with _opened(index) as table:
        for batch in table.iter_batches(columns=["split", "identity"]):
            split, identity = batch.column("split").to_pylist(), batch.column("identity").to_pylist()
            images.update(split)
            of_person.update((s, i) for s, i in zip(split, identity, strict=True) if i is not None)
    people = Counter(split for split, _ in of_person)
    counts = {split: (images[split], people[split]) for split in PROTECTED[::-1]}
    return np.array(list(of_person.values()), np.int64), counts


def _histogram(values: np.ndarray, edges: np.ndarray) -> Histogram:
    inside = np.clip(values, edges[0], np.nextafter(float(edges[-1]), -np.inf))
    return Histogram(edges, np.histogram(inside, edges)[0])


def _reasons(path: Path) -> dict[str, int]:
    counts: Counter[str] = Counter()
    with _opened(path) as table:
        for batch in table.iter_batches(columns=["reason"]):
            counts.update({v["values"]: v["counts"] for v in batch.column(0).value_counts().to_pylist()})
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _length(path: Path) -> int:
    if not path.exists():
        return 0
    with _opened(path) as table:
        return int(table.metadata.num_rows)


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    how = "dvc repro prepare"
    try:
        with pq.ParquetFile(path) as table:
            yield table
    except FileNotFoundError:
        raise ShardError(f"{path} is not there; make it with `{how}`") from None
    except (pa.ArrowException, OSError) as error:
        raise ShardError(f"{path} is damaged ({' '.join(str(error).split())}); make it again with `{how} -f`") from None


def as_text(statistics: Statistics, width: int = 30) -> str:
    """For a terminal."""
    lines = [f"{'split':<12}{'images':>10}{'people':>10}"]
    lines += [f"{name:<12}{images:>10,}{people:>10,}" for name, (images, people) in statistics.splits.items() if images]
    for name, value in statistics.numbers.items():
        if name.endswith("/median"):
            lines.append(f"{name.split('/', 1)[1].replace('/', ', '):<32}{value:g}")
    across = int(statistics.numbers["prepare/copies_across_people"])
    lines += [f"{'copies across people, kept':<32}{across:,}", "", f"rejects {sum(statistics.reasons.values()):,}"]
    lines += [f"  {reason:<28}{count:>8,}" for reason, count in statistics.reasons.items()]
    for name, histogram in statistics.histograms.items():
        most = max(1, int(histogram.counts.max(initial=0)))
        lines += ["", name]
        for low, high, count in zip(histogram.edges, histogram.edges[1:], histogram.counts, strict=False):
            bar = "█" * round(width * int(count) / most)
            lines.append(f"  {low:>6g} to {high:<6g}{int(count):>10,}  {bar}".rstrip())
    return "\n".join(lines)


def tables(statistics: Statistics) -> dict[str, tuple[list[str], list[list[Any]]]]:
    """Name -> columns and rows, as plot data."""
    made: dict[str, tuple[list[str], list[list[Any]]]] = {
        "splits": (["split", "images", "people"], [[name, *counts] for name, counts in statistics.splits.items()]),
        "rejects": (["reason", "images"], [list(item) for item in statistics.reasons.items()]),
    }
    for name, histogram in statistics.histograms.items():
        counted = "people" if name == "images_per_person" else "images"
        rows = [[float(low), int(count)] for low, count in zip(histogram.edges, histogram.counts, strict=False)]
        made[name] = ([f"{name}_from", counted], rows)
    return made
