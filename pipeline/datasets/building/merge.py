"""Parts into a data set: the shards without what was turned down, one index, every reject with its reason."""

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.building.decide import COPY, COPY_ACROSS_SPLITS, IDENTITY_NOISE, KEPT, REASONS, Decisions, Facts
from pipeline.datasets.building.parts import EMBEDDING, INDEX, REJECTS, caption
from pipeline.datasets.shards import TarWriter

COPIES = pa.schema(
    [(n, pa.string()) for n in ("source", "identity", "copy_of", "copy_of_identity")] + [("exact", pa.bool_())]
)
NAMES_OF_PARTS = 64  # whose names are remembered while copies are put into words


def merge(parts: Path, facts: Facts, decisions: Decisions, listing_rejects: Path, folder: Path) -> None:
    """Write shards, index.parquet, rejects.parquet and copies.parquet into `folder`, which is made anew.

    A shard of which everything is used is linked, not copied. Memory holds one part.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words = _Words(parts, facts, decisions)
    shards: dict[str, int] = {}
    with (
        pq.ParquetWriter(folder / "index.parquet", INDEX) as index,
        pq.ParquetWriter(folder / "rejects.parquet", REJECTS) as rejects,
        pq.ParquetWriter(folder / "copies.parquet", COPIES) as copies,
    ):
        for table in _row_groups(listing_rejects):
            rejects.write_table(table)
        for n, name in enumerate(facts.parts):
            rows = np.arange(facts.starts[n], facts.starts[n + 1])
            table = pq.read_table(parts / f"{name}.parquet")
            keep = decisions.verdict[rows] == KEPT
            if keep.any():
                split = name.rsplit("-", 1)[0]
                shard = f"{split}-{shards.get(split, 0):05d}.tar"
                shards[split] = shards.get(split, 0) + 1
                index.write_table(_shard(parts / f"{name}.tar", table, keep, folder / shard))
            own = pq.read_table(parts / f"{name}.rejects", columns=REJECTS.names)
            late = pa.Table.from_pylist([words.reject(int(row)) for row in rows[~keep]], REJECTS)
            if len(own) + len(late):
                rejects.write_table(pa.concat_tables([own, late]))
            if told := [words.copy(int(row)) for row in rows[keep] if decisions.partner[row] >= 0]:
                copies.write_table(pa.Table.from_pylist(told, COPIES))


def _row_groups(path: Path) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        yield file.read_row_group(i)


def _shard(tar: Path, table: pa.Table, keep: np.ndarray, final: Path) -> pa.Table:
    """Write the shard with what is kept of a part; return its rows of the index."""
    table = table.drop_columns([EMBEDDING.name]) if EMBEDDING.name in table.column_names else table
    if keep.all():
        _link(tar, final)
        places = {"offset": table.column("offset")}
    else:
        table = table.filter(keep)
        with tar.open("rb") as file, TarWriter(final) as writer:
            offsets = []
            for row in table.to_pylist():
                png = os.pread(file.fileno(), row["size"], row["offset"])
                offsets.append(writer.add(row["key"], png, caption(row))["offset"])
        places = {"offset": pa.array(offsets, pa.int64())}
    places["shard"] = pa.array([final.name] * len(table), pa.string())
    for name, values in places.items():
        table = table.set_column(table.column_names.index(name), INDEX.field(name), values)
    return table.select(INDEX.names).cast(INDEX)


def _link(file: Path, final: Path) -> None:
    try:
        os.link(file, final)
    except OSError:  # a file system without links
        shutil.copyfile(file, final)


class _Words:
    """Decisions as sentences, with the names of what they speak of."""

    def __init__(self, parts: Path, facts: Facts, decisions: Decisions) -> None:
        self.facts, self.decisions = facts, decisions

        @lru_cache(maxsize=NAMES_OF_PARTS)
        def names(part: int) -> tuple[list[str], list[str | None]]:
            table = pq.read_table(parts / f"{facts.parts[part]}.parquet", columns=["source", "identity"])
            return table.column(0).to_pylist(), table.column(1).to_pylist()

        self._names = names

    def _name(self, row: int) -> tuple[str, str | None]:
        part = int(np.searchsorted(self.facts.starts, row, side="right")) - 1
        sources, identities = self._names(part)
        place = row - int(self.facts.starts[part])
        return sources[place], identities[place]

    def reject(self, row: int) -> dict[str, str]:
        verdict = int(self.decisions.verdict[row])
        if verdict in (COPY, COPY_ACROSS_SPLITS):
            how = "the same file as" if self.decisions.exact[row] else "nearly the same picture as"
            detail = f"{how} {self._name(int(self.decisions.partner[row]))[0]}"
            if verdict == COPY_ACROSS_SPLITS:
                detail += ", which is in a better protected split"
        elif verdict == IDENTITY_NOISE:
            detail = f"its cosine to the mean of the person's other photographs is {self.decisions.likeness[row]:.2f}"
        else:
            detail = "too few usable photographs of this person; identities.min_images says how many are needed"
        return {"source": self._name(row)[0], "reason": REASONS[verdict], "detail": detail}

    def copy(self, row: int) -> dict[str, Any]:
        (source, identity), (other, of) = self._name(row), self._name(int(self.decisions.partner[row]))
        exact = bool(self.decisions.exact[row])
        return {"source": source, "identity": identity, "copy_of": other, "copy_of_identity": of, "exact": exact}
