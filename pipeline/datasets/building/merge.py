"""Parts into a data set: the shards without what was turned down, one index, every reject with its reason."""

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.building.decide import COPY, COPY_ACROSS_SPLITS, IDENTITY_NOISE, KEPT, REASONS, Decisions, Facts
from pipeline.datasets.building.parts import INDEX, REJECTS, THUMBNAIL, caption
from pipeline.datasets.shards import TarWriter

COPIES = pa.schema(
    [(n, pa.string()) for n in ("source", "identity", "copy_of", "copy_of_identity")] + [("exact", pa.bool_())]
)
PICTURED = REJECTS.append(THUMBNAIL)
SHOWN = 8  # rejects of each reason
NAMES_OF_PARTS = 64  # whose names are remembered while copies are put into words


class Rejected(NamedTuple):
    """How many were turned down for which reason, and what a few of them look like."""

    counts: Counter[str]
    pictures: dict[str, list[bytes]]  # PNG

    def add(self, table: pa.Table) -> None:
        self.counts.update(table.column("reason").to_pylist())
        if THUMBNAIL.name not in table.column_names:
            return
        pictured = table.filter(table.column(THUMBNAIL.name).is_valid()).select(["reason", THUMBNAIL.name])
        for row in pictured.to_pylist():
            if len(shown := self.pictures.setdefault(row["reason"], [])) < SHOWN:
                shown.append(row[THUMBNAIL.name])

    def crop(self, reason: str, tar: Path, offset: int, size: int) -> bytes | None:
        """The crop of a face that was cut and is turned down now, if one more is wanted."""
        if len(self.pictures.get(reason, ())) >= SHOWN:
            return None
        with tar.open("rb") as file:
            return os.pread(file.fileno(), size, offset)


def merge(parts: Path, facts: Facts, decisions: Decisions, listing_rejects: Path, folder: Path) -> Rejected:
    """Write shards, index.parquet, rejects.parquet and copies.parquet into `folder`, which is made anew.

    A shard of which everything is used is linked, not copied. Memory holds one part.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    words, rejected = _Words(parts, facts, decisions), Rejected(Counter(), {})
    shards: Counter[str] = Counter()
    with (
        pq.ParquetWriter(folder / "index.parquet", INDEX) as index,
        pq.ParquetWriter(folder / "rejects.parquet", REJECTS) as rejects,
        pq.ParquetWriter(folder / "copies.parquet", COPIES) as copies,
    ):
        for table in _row_groups(listing_rejects):
            rejects.write_table(table)
            rejected.add(table)
        for n, name in enumerate(facts.parts):
            rows = np.arange(facts.starts[n], facts.starts[n + 1])
            table = pq.read_table(parts / f"{name}.parquet")
            keep = decisions.verdict[rows] == KEPT
            if keep.any():
                split = name.rsplit("-", 1)[0]
                shard = folder / f"{split}-{shards[split]:05d}.tar"
                index.write_table(_shard(parts / f"{name}.tar", table, keep, shard))
                shards[split] += 1
            late = [words.reject(int(row)) for row in rows[~keep]]
            for reject, place in zip(late, table.select(["offset", "size"]).filter(~keep).to_pylist(), strict=True):
                reject[THUMBNAIL.name] = rejected.crop(reject["reason"], parts / f"{name}.tar", **place)
            for turned_down in (pq.read_table(parts / f"{name}.rejects"), pa.Table.from_pylist(late, PICTURED)):
                rejected.add(turned_down)
                if len(turned_down):
                    rejects.write_table(turned_down.select(REJECTS.names))
            if told := [words.copy(int(row)) for row in rows[keep] if decisions.partner[row] >= 0]:
                copies.write_table(pa.Table.from_pylist(told, COPIES))
    return rejected


def _row_groups(path: Path) -> Iterator[pa.Table]:
    file = pq.ParquetFile(path)
    for i in range(file.num_row_groups):
        yield file.read_row_group(i)


def _shard(tar: Path, table: pa.Table, keep: np.ndarray, final: Path) -> pa.Table:
    """Write the shard with what is kept of a part; return its rows of the index."""
    table = table.select(INDEX.names)
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
    return table.cast(INDEX)


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

    def reject(self, row: int) -> dict[str, Any]:
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
