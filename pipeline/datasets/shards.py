"""Faces on disk: tar shards as WebDataset names them, and one Parquet index with the offset of every image.

Shards are few enough for DVC, standard, and random-access: an image is one `os.pread`.
"""

import hashlib
import json
import os
import shutil
import tarfile
import uuid
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, BinaryIO, Self

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.errors import UserError

SHARD_IMAGES = 4096
_END = bytes(2 * tarfile.BLOCKSIZE)  # of a tar file
_BLANK = tarfile.TarInfo("").tobuf(tarfile.USTAR_FORMAT)


class ShardError(UserError):
    """Shards or index are missing, damaged or do not belong together."""


def encode(image: np.ndarray) -> bytes:
    """Uint8 [S, S, 3] RGB as PNG, without loss."""
    ok, png = cv2.imencode(".png", image[..., ::-1], [cv2.IMWRITE_PNG_COMPRESSION, 4])
    if not ok:
        raise ValueError(f"not an image that PNG can hold: {image.shape} {image.dtype}")
    return png.tobytes()


class TarWriter:
    """One tar file, which has its name only once it is whole; without images there is none."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
        self._file: BinaryIO | None = None
        self._offset = 0

    def add(self, key: str, png: bytes, caption: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Store an image as KEY.png, and what is said of it as KEY.json.

        Returns:
            Where it is, for the index: shard, offset, size and sha256 of the image.
        """
        offset = self.write(f"{key}.png", png)
        if caption is not None:
            self.write(f"{key}.json", json.dumps(caption, ensure_ascii=False, sort_keys=True).encode())
        digest = hashlib.sha256(png).hexdigest()
        return {"shard": self.path.name, "offset": offset, "size": len(png), "sha256": digest}

    def write(self, name: str, data: bytes) -> int:
        """Store a member; return where its bytes begin."""
        if self._file is None:
            self._file = self._part.open("xb", buffering=1 << 20)
        header = _header(name, len(data))
        padding = -len(data) % tarfile.BLOCKSIZE
        self._file.write(header + data + bytes(padding))
        place = self._offset + len(header)
        self._offset = place + len(data) + padding
        return place

    def close(self) -> None:
        """Give the file its name."""
        if self._file is not None:
            self._file.write(_END + bytes(-(self._offset + len(_END)) % tarfile.RECORDSIZE))
            self._file.close()
            self._file = None
            os.replace(self._part, self.path)

    def discard(self) -> None:
        """Leave no half of it."""
        if self._file is not None:
            self._part.unlink(missing_ok=True)
            self._file.close()
            self._file = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        else:
            self.discard()


def _header(name: str, size: int) -> bytes:
    """As `tarfile` writes it, in a fifth of its time: beside name, size and checksum, all our members are alike."""
    raw = name.encode("ascii")
    if len(raw) > 100 or size >= 8**11:
        raise ValueError(f"a tar member has a name of at most 100 bytes and less than 8 GiB (got {name!r}, {size})")
    header = bytearray(_BLANK)
    header[: len(raw)] = raw
    header[124:135] = b"%011o" % size
    header[148:156] = b" " * 8
    header[148:155] = b"%06o\0" % sum(header)
    return bytes(header)


class ShardWriter:
    """Writes images and what is known of them into a folder of its own; `close` makes the index."""

    def __init__(self, folder: Path, prefix: str) -> None:
        self.folder, self.prefix = folder, prefix
        self.rows: list[dict[str, Any]] = []
        self._tar: TarWriter | None = None
        shutil.rmtree(folder, ignore_errors=True)  # what a failed try left does not belong to this one
        folder.mkdir(parents=True)

    def add(self, key: str, image: np.ndarray, row: Mapping[str, Any]) -> None:
        """Store uint8 [S, S, 3] RGB without loss under `key`, with `row` beside it in the index."""
        png = encode(image)
        if self._tar is None:
            self._tar = TarWriter(self.folder / f"{self.prefix}-{len(self.rows) // SHARD_IMAGES:05d}.tar")
        self.rows.append({"key": key, **self._tar.add(key, png), **row})
        if len(self.rows) % SHARD_IMAGES == 0:
            self._finish()

    def _finish(self) -> None:
        if self._tar is not None:
            self._tar.close()
            self._tar = None

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
        if self._tar is not None:  # nobody closed it
            self._tar.discard()
            self._tar = None


def write_table(path: Path, rows: list[dict[str, Any]], schema: pa.Schema | None = None) -> None:
    """Write rows as Parquet under a temporary name, then rename."""
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex}.part")
    try:
        pq.write_table(pa.Table.from_pylist(rows, schema), part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


class Faces:
    """Random access to the images of a prepared folder, and its index as columns.

    A column is read when it is asked for; only where the images are is kept: 16 bytes each.
    """

    def __init__(self, folder: Path, how: str = "dvc repro prepare") -> None:
        self.folder, self._how = folder, how
        self._files: dict[str, int] = {}
        self._shard, self._shards = self.coded("shard")
        self._offset, self._size = self.column("offset"), self.column("size")
        if any(Path(name).name != name for name in self._shards) or (self._shard < 0).any():
            raise ShardError(f"{folder}: its index names files outside the folder; make it again with `{how} -f`")

    def __len__(self) -> int:
        return len(self._offset)

    def _read(self, columns: list[str]) -> pa.Table:
        index = self.folder / "index.parquet"
        try:
            return pq.ParquetFile(index).read(columns)
        except FileNotFoundError:
            raise ShardError(f"{index} is not there; make it with `{self._how}`") from None
        except (pa.ArrowException, OSError) as error:
            why = " ".join(str(error).split())
            raise ShardError(f"{index} is damaged ({why}); make it again with `{self._how} -f`") from None

    def _column(self, name: str) -> pa.ChunkedArray:
        table = self._read([name])
        if not table.num_columns:
            raise ShardError(f"{self.folder}: its index has no {name}; make it again with `{self._how} -f`")
        return table.column(0)

    def coded(self, name: str) -> tuple[np.ndarray, list[str]]:
        """A column of texts as int32 [N] places in the list of those that occur, in their first order; -1: none."""
        coded = self._column(name).dictionary_encode().unify_dictionaries().combine_chunks()
        codes = coded.indices.fill_null(-1).to_numpy()
        return codes, coded.dictionary.to_pylist()

    def column(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        """One value a face, or a face of `rows`; vectors as [N, d]."""
        column = self._column(name)
        if rows is not None:
            column = column.take(pa.array(rows))
        if pa.types.is_list(column.type):
            return np.array(column.to_pylist(), np.float32)
        return column.to_numpy()

    def has(self, name: str, rows: np.ndarray) -> bool:
        """Whether the index has that of every face of `rows`."""
        table = self._read([name])
        return table.num_columns == 1 and table.column(0).take(pa.array(rows)).null_count == 0

    def of_split(self, split: str) -> np.ndarray:
        """Row numbers, int64 [n].

        Raises:
            ShardError: nobody is in that split.
        """
        codes, splits = self.coded("split")
        rows = np.flatnonzero(codes == splits.index(split)) if split in splits else np.zeros(0, np.int64)
        if rows.size == 0:
            raise ShardError(
                f"{self.folder} has nobody in the split {split!r}: more people are needed, or other shares"
            )
        return rows

    def image(self, row: int) -> np.ndarray:
        """uint8 [S, S, 3], RGB."""
        shard, size = self._shards[self._shard[row]], int(self._size[row])
        file = self._files.get(shard)
        if file is None:
            try:
                file = self._files[shard] = os.open(self.folder / shard, os.O_RDONLY)
            except OSError as error:
                raise ShardError(f"{self.folder / shard}: {error.strerror}; `{self._how} -f` makes it again") from None
        data = os.pread(file, size, int(self._offset[row]))
        image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR_RGB) if len(data) == size else None
        if image is None:
            raise ShardError(f"{self.folder / shard} does not agree with its index; `{self._how} -f` makes both again")
        return image

    def images(self, rows: Iterable[int]) -> np.ndarray:
        """uint8 [n, S, S, 3], RGB."""
        return np.stack([self.image(int(row)) for row in rows])

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_files": {}}  # each process opens its own
