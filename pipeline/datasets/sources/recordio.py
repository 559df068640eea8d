"""InsightFace's training sets (MS1M, Glint360K): aligned faces in one RecordIO file, read without MXNet.

train.rec is a row of records, each a magic number, a length and a payload: an image behind what is known of it.
train.idx says where each begins. Images have numbers from 1 on; record 0 says where these end and the records of
identities begin, which hold no image. A file of MXNet's im2rec has images only.
"""

import math
import os
import struct
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO, NamedTuple

from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.splits import split_of
from pipeline.errors import UserError
from pipeline.params import Data

MAGIC = 0xCED7230A
FILES = ("train.rec", "train.idx", "property")

# Where every face of 112 x 112 has its eyes, nose tip and mouth corners (ArcFace, arXiv 1801.07698); x, y.
ARCFACE = (38.2946, 51.6963, 73.5318, 51.5014, 56.0252, 71.7366, 41.5493, 92.3655, 70.7299, 92.2041)
ARCFACE_SIZE = 112

_FRAME = struct.Struct("<II")  # magic; which part of a record (3 bits) and its length (29 bits)
_HEAD = struct.Struct("<IfQQ")  # how many labels follow; the label if none does; two numbers that are of no use here
_LABEL = struct.Struct("<f")
_WHOLE, _FIRST, _LAST = 0, 1, 3

_LINE_BYTES = 64  # of the index: two numbers
_BUFFER_BYTES = 1 << 20  # records lie in the order of the index: this reads the file once, from end to end


class _Record(NamedTuple):
    labels: int  # in a list; 0: it has a single one
    label: float
    offset: int  # of the image
    size: int  # of the image; 0: there is none


class _Unusable(Exception):
    """Its arguments are the reason and the detail of a Reject."""


def listing(data: Data) -> Listing:
    """Every image that the index names, in its order.

    Where an image's bytes hold the magic number (one of a million or two does), the format leaves it out and cuts the
    record there: what is left is no image in one piece, and a Reject.

    Raises:
        UserError: at once, if a file is missing or of another kind; at the end, if there was no image.
    """
    path = Path(data.recordio)
    for name in FILES:
        _check(path, name)
    rec, index, properties = (Path(os.path.realpath(path), name) for name in FILES)
    return _listing(rec, index, _landmarks(properties), data.shares.model_dump())


def _check(path: Path, name: str) -> None:
    wanted = f"data.recordio should name a folder with {', '.join(FILES)}"
    if not os.path.isdir(path):
        raise UserError(f"{path} is no folder; {wanted}")
    file = path / name
    if not os.path.isfile(file):
        raise UserError(f"{path} holds no file {name}; {wanted}")
    try:
        with open(file, "rb") as opened:
            start = opened.read(4)
    except OSError as error:
        raise UserError(f"{file} cannot be read ({error.strerror}); {wanted}") from None
    if not start:
        raise UserError(f"{file} is empty; fetch it again")
    if name == "train.rec" and start != MAGIC.to_bytes(4, "little"):
        raise UserError(f"{file} does not begin as RecordIO does; fetch it again")


def _landmarks(properties: Path) -> tuple[float, ...]:
    """The five points in images of the size that `property` states."""
    with open(properties, "rb") as file:
        fields = [field.strip() for field in file.read(100).split(b",")]
    sides = [int(field) for field in fields[1:] if field.isdigit()]
    if len(fields) != 3 or len(sides) != 2 or not all(1 <= side <= 10_000 for side in sides):
        raise UserError(f"{properties} should hold people, height and width: 85742,112,112; write them into it")
    height, width = sides
    return tuple(value * (height if i % 2 else width) / ARCFACE_SIZE for i, value in enumerate(ARCFACE))


def _listing(rec: Path, index: Path, landmarks: tuple[float, ...], shares: dict[str, float]) -> Listing:
    @lru_cache(maxsize=1024)  # a person's images lie together
    def person(label: float) -> tuple[str, str]:
        return f"recordio/{int(label)}", split_of(str(int(label)), shares)

    file, images, rejects = str(rec), 0, 0
    first_identity = math.inf  # its number, once record 0 has told
    try:
        for name, key, record in _records(rec, index):
            if isinstance(record, Reject):
                rejects += 1
                yield record
            elif record.size:
                images += 1
                identity, split = person(record.label)
                yield Photograph(name, identity, split, file, record.offset, record.size, landmarks=landmarks)
            elif key == 0 and record.labels:
                first_identity = record.label
            # An image is one wherever it lies: record 0 counts in float32, and not exactly above 16,777,216.
            elif key < first_identity:
                rejects += 1
                yield Reject(name, "damaged", f"the record holds no image (it should at byte {record.offset})")
    except OSError as error:
        raise UserError(f"{rec.parent}: reading stopped ({error.strerror}); check the disk") from None
    if not images:
        raise UserError(f"{index}: none of {rejects} records is an image in {rec.name}; fetch both files again")


def _records(rec: Path, index: Path) -> Iterator[tuple[str, int, _Record | Reject]]:
    """All that the index names, each with a name of its own and its number."""
    highest = -1
    with open(rec, "rb", buffering=_BUFFER_BYTES) as file:
        end = os.fstat(file.fileno()).st_size
        for line, entry in _entries(index):
            if entry is None:
                detail = f"line {line} of {index.name} should be a number, a tab and a number"
                yield "", -1, Reject(f"recordio/{index.name}:{line}", "damaged", detail)
                continue
            key, offset = entry
            # Out of order (im2rec shuffles), only the line tells one that comes again from one that is new.
            name = f"recordio/{key}" if key > highest else f"recordio/{key}#{line}"
            highest = max(key, highest)
            try:
                yield name, key, _record(file, offset, end)
            except _Unusable as error:
                yield name, key, Reject(name, *error.args)


def _entries(index: Path) -> Iterator[tuple[int, tuple[int, int] | None]]:
    """The lines of the index, from 1: number and offset of a record, or None for what is no such line."""
    with open(index, "rb") as file:
        line = 0
        while text := file.readline(_LINE_BYTES):
            line += 1
            fields = text.split()
            if len(text) == _LINE_BYTES and not text.endswith(b"\n"):
                fields = [b"too long"]
                while (rest := file.readline(_BUFFER_BYTES)) and not rest.endswith(b"\n"):
                    pass
            if len(fields) == 2 and fields[0].isdigit() and fields[1].isdigit():
                yield line, (int(fields[0]), int(fields[1]))
            elif fields:
                yield line, None


def _record(file: BinaryIO, offset: int, end: int) -> _Record:
    """What the record that begins at `offset` says of its image; `end` is the file's size."""
    if offset >= end:
        raise _Unusable("index_disagrees", f"byte {offset} lies beyond the end of train.rec")
    file.seek(offset)
    start = file.read(_FRAME.size + _HEAD.size + _LABEL.size)
    if len(start) < _FRAME.size:
        raise _Unusable("damaged", f"train.rec ends within the record at byte {offset}")
    magic, word = _FRAME.unpack_from(start)
    part, length = word >> 29, word & 0x1FFFFFFF
    if magic != MAGIC or _FIRST < part <= _LAST:
        raise _Unusable("index_disagrees", f"no record begins at byte {offset} of train.rec")
    if offset + _FRAME.size + length > end:
        raise _Unusable("damaged", f"train.rec ends within the record at byte {offset}")
    if part == _FIRST:
        raise _Unusable("multipart_record", f"the record at byte {offset} is in several parts, which are not joined")
    if part != _WHOLE or length < _HEAD.size:
        raise _Unusable("damaged", f"the record at byte {offset} has an impossible length")
    labels, label, _, _ = _HEAD.unpack_from(start, _FRAME.size)
    skipped = _HEAD.size + _LABEL.size * labels
    if skipped > length:
        raise _Unusable("damaged", f"the record at byte {offset} is too short for its {labels} labels")
    if labels:
        (label,) = _LABEL.unpack_from(start, _FRAME.size + _HEAD.size)
    if not (label >= 0 and label.is_integer()):
        raise _Unusable("damaged", f"the label of the record at byte {offset} is no whole number ({label})")
    return _Record(labels, label, offset + _FRAME.size + skipped, length - skipped)
