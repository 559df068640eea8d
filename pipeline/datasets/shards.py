"""Faces on disk: tar shards as WebDataset names them, and one Parquet index with the offset of every image.

Shards are few enough for DVC, standard, and random-access: an image is one `os.pread`.
"""

import hashlib
import io
import os
import shutil
import tarfile
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError

SHARD_IMAGES = 4096


class ShardError(UserError):
    """Shards or index are missing, damaged or do not belong together."""


class ShardWriter:
    """Writes images and what is known of them into a folder of its own; `close` makes the index."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.rows: list[dict[str, Any]] = []
        self._tar: tarfile.TarFile | None = None
        self._part = folder / "shard.part"
        shutil.rmtree(folder, ignore_errors=True)  # what a failed try left does not belong to this one
        folder.mkdir(parents=True)

    def add(self, key: str, image: np.ndarray, row: Mapping[str, Any]) -> None:
        """Store uint8 [S, S, 3] RGB without loss under `key`, with `row` beside it in the index."""
        ok, png = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 4])
        if not ok:
            raise ValueError(f"{key}: not an image that PNG can hold: {image.shape} {image.dtype}")
        if self._tar is None:
            self._tar = tarfile.open(self._part, "w", format=tarfile.USTAR_FORMAT)  # noqa: SIM115
        member = tarfile.TarInfo(f"{key}.png")
        member.size = png.size
        data = png.tobytes()
        offset = self._tar.offset + tarfile.BLOCKSIZE
        self._tar.addfile(member, io.BytesIO(data))
        place = {"key": key, "shard": self._name(), "offset": offset, "size": len(data)}
        self.rows.append({**place, "sha256": hashlib.sha256(data).hexdigest(), **row})
        if len(self.rows) % SHARD_IMAGES == 0:
            self._finish()

    def _name(self) -> str:
        return f"{self.prefix}-{(len(self.rows)) // SHARD_IMAGES:05d}.tar"

    def _finish(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None
            # A shard has its final name only when it is whole.
            os.replace(self._part, self.folder / self.rows[-1]["shard"])

    def close(self, index: str = "index.parquet") -> None:
        """Finish the last shard and write the index.

        Raises:
            ValueError: nothing was added.
        """
        if not self.rows:
            raise ValueError("no image was added")
        self._finish()
        write_table(self.folder / index, self.rows)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._tar is not None:  # the body failed: leave no half shard
            self._tar.fileobj.close() if self._tar.fileobj else None
            self._tar = None
            self._part.unlink(missing_ok=True)


def write_table(path: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write rows as Parquet under a temporary name, then rename."""
    part = path.with_suffix(".part")
    pq.write_table(pa.Table.from_pylist(rows, schema), part)
    os.replace(part, path)


class Faces:
    """Random access to the images of a prepared folder, and its index as columns."""

    def __init__(self, folder: Path, how: str = "dvc repro prepare") -> None:
        index = folder / "index.parquet"
        try:
            self.table = pq.read_table(index)
        except FileNotFoundError:
            raise ShardError(f"{index} is not there; make it with `{how}`") from None
        except (pa.ArrowException, OSError) as error:
            raise ShardError(f"{index} is damaged ({error}); make it again with `{how} -f`") from None
        self.folder, self._how = folder, how
        self._files: dict[str, int] = {}
        self._place = [self.column(name) for name in ("shard", "offset", "size")]

    def __len__(self) -> int:
        return self.table.num_rows

    def column(self, name: str) -> np.ndarray:
        """One value a face; vectors as [N, d]."""
        column = self.table.column(name)
        if pa.types.is_list(column.type) or pa.types.is_fixed_size_list(column.type):
            return np.array(column.to_pylist(), np.float32)
        return column.to_numpy()

    def has(self, name: str) -> bool:
        return name in self.table.column_names

    def of_split(self, split: str) -> np.ndarray:
        """Row numbers, int64 [n].

        Raises:
            ShardError: nobody is in that split.
        """
        rows = np.flatnonzero(self.column("split") == split)
        if rows.size == 0:
            raise ShardError(
                f"{self.folder} has nobody in the split {split!r}: more people are needed, or other shares"
            )
        return rows

    def image(self, row: int) -> np.ndarray:
        """uint8 [S, S, 3], RGB."""
        shard, offset, size = (column[row] for column in self._place)
        if shard not in self._files:
            try:
                self._files[shard] = os.open(self.folder / shard, os.O_RDONLY)
            except OSError as error:
                raise ShardError(f"{self.folder / shard}: {error.strerror}; `{self._how} -f` makes it again") from None
        data = os.pread(self._files[shard], int(size), int(offset))
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR) if len(data) == size else None
        if image is None:
            raise ShardError(f"{self.folder / shard} does not agree with its index; `{self._how} -f` makes both again")
        return image[..., ::-1]

    def images(self, rows: Iterable[int]) -> np.ndarray:
        """uint8 [n, S, S, 3], RGB."""
        return np.stack([self.image(int(row)) for row in rows])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}  # each process opens its own
