"""One task of the engine: a shard's candidates into a part, which is a tar file and two tables.

A part is finished when its last file, the index, has its name. It remembers which candidates it was made of, so the
same task done again finds it and does nothing.
"""

import gc
import hashlib
import math
import os
import pickle
from collections import Counter
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple, cast

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.faces import Candidate, Cut, Face, Head, Photograph, Quality, Reject
from pipeline.datasets.photographs.chain import Bounds, Chain, Embed, Seconds
from pipeline.datasets.photographs.cutting import Unusable
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detection, Detector
from pipeline.datasets.photographs.quality import quality
from pipeline.datasets.shards import TarWriter, encode, write_table
from pipeline.datasets.sources.rendered import portray
from pipeline.memory import keep_memory

_TEXT = ("key", "shard", "identity", "split", "source", "sha256", "source_sha256")
_VECTORS = ("box", "photograph_landmarks", "landmarks", "identity_vector", "attribute_vector")
INDEX = pa.schema(
    [(name, pa.string()) for name in _TEXT]
    + [("offset", pa.int64()), ("size", pa.int32()), ("faces", pa.int32()), ("score", pa.float32())]
    + [(name, pa.float32()) for name in Quality._fields]
    + [(name, pa.list_(pa.float32())) for name in _VECTORS]
    + [("hash", pa.binary()), ("attributes", pa.map_(pa.string(), pa.float32()))]
)
EMBEDDING = pa.field("embedding", pa.list_(pa.float32()))  # of parts only
REJECTS = pa.schema([(name, pa.string()) for name in Reject._fields])
THUMBNAIL = pa.field("thumbnail", pa.binary())  # of parts only: PNG of the first few rejects of each reason
THUMBNAILS, THUMBNAIL_SIZE = 4, 96


class Recipe(NamedTuple):
    """What a worker needs beside candidates; the same for every task."""

    cut: Cut
    bounds: Bounds
    detector: Callable[[], Detector] | None  # to be pickled; called once a worker; None: no source needs one
    recogniser: Callable[[], Embed] | None  # for identity noise


class Task(NamedTuple):
    """A shard to make."""

    split: str
    number: int  # of the shard in the split
    first: int  # number of its first candidate in the split
    candidates: list[Candidate]

    @property
    def name(self) -> str:
        return f"{self.split}-{self.number:05d}"


class Part(NamedTuple):
    """What came of a task."""

    name: str
    images: int
    rejects: int
    seconds: dict[str, float]  # by what they were spent on; empty where the part was there already


def make_part(task: Task, recipe: Recipe, folder: Path) -> Part:
    """Turn candidates into the files of a part, unless they are there already.

    Runs in a worker. Whatever kills it leaves no file under a final name that is not whole.
    """
    place = folder / task.name
    made_of = _fingerprint(task)
    index = place.with_suffix(".parquet")
    if (done := _finished(index, made_of)) is not None:
        return Part(task.name, *done, {})
    _settle()
    seconds = Seconds()
    rows: list[dict[str, Any]] = []
    rejects: list[dict[str, Any]] = []
    pictured: Counter[str] = Counter()
    with TarWriter(place.with_suffix(".tar")) as tar:
        faces = _faces(task.candidates, recipe, seconds)
        for n, (candidate, face) in enumerate(zip(task.candidates, faces, strict=True), task.first):
            if isinstance(face, Unusable):
                pictured[face.reason] += 1
                picture = _thumbnail(candidate) if pictured[face.reason] <= THUMBNAILS else None
                reject = Reject(candidate.name, face.reason, face.detail)
                rejects.append(reject._asdict() | {THUMBNAIL.name: picture})
            else:
                png = encode(face.image)
                seconds.lap("encode")
                row = _row(candidate, face, f"{task.split}{n:09d}")
                rows.append(row | tar.add(row["key"], png, caption(row)))
            seconds.lap("else")
    counts = {"images": len(rows), "rejects": len(rejects)}
    write_table(place.with_suffix(".rejects"), rejects, REJECTS.append(THUMBNAIL))
    schema = INDEX.append(EMBEDDING) if recipe.recogniser else INDEX
    write_table(index, rows, schema.with_metadata({"made_of": made_of, **{k: str(v) for k, v in counts.items()}}))
    seconds.lap("else")
    return Part(task.name, len(rows), len(rejects), dict(seconds))


@lru_cache
def _settle() -> None:
    """Once a worker: one thread, memory that stays, and modules that the garbage collector need not walk through."""
    cv2.setNumThreads(1)
    keep_memory()
    gc.freeze()


def _fingerprint(task: Task) -> str:
    """Changes with the candidates and, as far as size and time tell, with the files that hold them."""
    digest = hashlib.sha256(pickle.dumps((task.first, task.candidates), protocol=5))
    for file in dict.fromkeys(c.file for c in task.candidates if isinstance(c, Photograph)):
        try:
            status = os.stat(file)
            digest.update(f"{status.st_size} {status.st_mtime_ns}".encode())
        except OSError as error:
            digest.update(f"{error.errno}".encode())
    return digest.hexdigest()


def _finished(index: Path, made_of: str) -> tuple[int, int] | None:
    """Images and rejects of a part that is there and was made of the same."""
    try:
        metadata = pq.read_metadata(index).metadata or {}
    except (OSError, pa.ArrowException):
        return None
    if metadata.get(b"made_of", b"").decode() != made_of:
        return None
    return int(metadata[b"images"]), int(metadata[b"rejects"])


@lru_cache(maxsize=2)
def _made(make: Callable[[], Any]) -> Any:
    """A worker's detector or recogniser, made once."""
    return make()


def _faces(candidates: list[Candidate], recipe: Recipe, seconds: Seconds) -> Iterator[Face | Unusable]:
    """What becomes of each, in order."""
    detect = _made(recipe.detector) if recipe.detector else _no_faces
    embed = _made(recipe.recogniser) if recipe.recogniser else None
    chain = Chain(detect, recipe.cut, recipe.bounds, embed)
    for rendered, some in groupby(candidates, lambda candidate: isinstance(candidate, Head)):
        if rendered:
            yield from (_portrayed(cast("Head", head), recipe.cut, seconds) for head in some)
        else:
            yield from chain.faces(cast("Iterator[Photograph]", some), seconds)


def _no_faces(_: np.ndarray) -> list[Detection]:
    """Where every source knows the landmarks."""
    return []


def _portrayed(head: Head, cut: Cut, seconds: Seconds) -> Face:
    image, landmarks, identity, attributes = portray(head, cut.image_size)
    seconds.lap("render")
    measured = quality(image, landmarks, cut.margin)
    return Face(image, landmarks, measured, identity_vector=identity, attribute_vector=attributes)


def _thumbnail(candidate: Candidate) -> bytes | None:
    """The whole photograph, small, on grey; None where it cannot be read."""
    assert isinstance(candidate, Photograph)  # heads are never turned down
    try:
        image = decode(read(candidate.file, candidate.offset, candidate.size))
    except Undecodable:
        return None
    scale = THUMBNAIL_SIZE / max(image.shape[:2])
    size = tuple(max(1, round(side * scale)) for side in image.shape[1::-1])
    small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    sheet = np.full((THUMBNAIL_SIZE, THUMBNAIL_SIZE, 3), 128, np.uint8)
    top, left = ((THUMBNAIL_SIZE - side) // 2 for side in small.shape[:2])
    sheet[top : top + small.shape[0], left : left + small.shape[1]] = small
    return encode(sheet)


def _row(candidate: Candidate, face: Face, key: str) -> dict[str, Any]:
    def plain(values: np.ndarray | None) -> list[float] | None:
        return None if values is None else np.asarray(values, np.float32).ravel().tolist()

    known = candidate.attributes if isinstance(candidate, Photograph) else None
    row: dict[str, Any] = {
        "key": key,
        "identity": candidate.identity,
        "split": candidate.split,
        "source": candidate.name,
        "source_sha256": face.content.hex() if face.content else None,
        "faces": face.faces,
        "score": face.score,
        "box": plain(face.box),
        "photograph_landmarks": plain(face.points),
        "landmarks": plain(face.landmarks),
        "identity_vector": plain(face.identity_vector),
        "attribute_vector": plain(face.attribute_vector),
        "hash": face.hash,
        "attributes": list(known.items()) if known else None,
        "embedding": plain(face.embedding),
    }
    if face.quality is not None:
        row |= {name: None if math.isnan(value) else value for name, value in face.quality._asdict().items()}
    return row


def caption(row: dict[str, Any]) -> dict[str, Any]:
    """What WebDataset's users find beside an image."""
    said = {name: row[name] for name in ("identity", "split", "source", "landmarks")}
    if row["attributes"]:
        said["attributes"] = dict(row["attributes"])
    return said
