"""From a source to a folder that can be trained on: shards, index, rejects, and the numbers that describe them."""

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from pipeline.datasets.faces import SPLITS, Face, Reject, Source
from pipeline.datasets.shards import Faces, ShardWriter, write_table

_REJECT_COLUMNS = pa.schema([(name, pa.string()) for name in Reject._fields])


def write(source: Source, folder: Path) -> list[Reject]:
    """Store every face, list every reject; return the rejects."""
    rejects: list[Reject] = []
    of_person: Counter[str] = Counter()
    with ShardWriter(folder, "faces") as shards:
        for item in source:
            if isinstance(item, Reject):
                rejects.append(item)
                continue
            number = of_person[item.identity]
            of_person[item.identity] += 1
            # Not the person's name, which may hold any character; the index has it.
            shards.add(f"{len(of_person) - 1:06d}_{number:04d}", item.image, _row(item))
        shards.close()
    write_table(folder / "rejects.parquet", [r._asdict() for r in rejects], _REJECT_COLUMNS)
    return rejects


def _row(face: Face) -> dict[str, Any]:
    row: dict[str, Any] = {
        "identity": face.identity,
        "split": face.split,
        "source": face.source,
        "landmarks": face.landmarks.astype(np.float32).ravel().tolist(),
    }
    for name in ("identity_vector", "attribute_vector"):
        vector = getattr(face, name)
        if vector is not None:
            row[name] = vector.tolist()
    return row


def statistics(faces: Faces, rejects: list[Reject]) -> dict[str, float]:
    """Counts of people and images by split, and of rejects by reason."""
    splits, names = faces.column("split"), faces.column("identity")
    numbers: dict[str, float] = {"images": len(faces), "people": len(set(names)), "rejects": len(rejects)}
    for split in SPLITS:
        numbers[f"images/{split}"] = int((splits == split).sum())
        numbers[f"people/{split}"] = len(set(names[splits == split]))
    for reason, count in Counter(r.reason for r in rejects).items():
        numbers[f"rejects/{reason}"] = count
    return {f"prepare/{name}": value for name, value in numbers.items()}
