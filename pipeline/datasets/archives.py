"""The members of a tar archive that nobody vouches for: where each one's bytes lie.

Not with `tarfile`, which believes what a header claims: with Python 3.11.7 a negative size is an endless loop, and
properties of 64 kB take a gigabyte.
"""

import os
import re
from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

_BLOCK = 512
_EXTENDED_BYTES = 1 << 20  # of a header that holds a long name or other properties; most have some hundred bytes
_NAME_BYTES = 4096  # what Linux takes
_TRAILING_BYTES = 1 << 20  # zeros after the last member, to fill what was a block of a tape


class Member(NamedTuple):
    name: bytes
    kind: bytes  # one letter; the digits are those of POSIX
    offset: int  # of its bytes
    size: int
    sparse: bool  # its bytes are not all there


class Damaged(Exception):
    """Its argument is the detail of a Reject."""


def members(file: BinaryIO) -> Iterator[Member]:
    """Walk from header to header; what they claim is held against the archive's size.

    Raises:
        Damaged: after the last member that is whole.
    """
    end, place = os.fstat(file.fileno()).st_size, 0
    everywhere: dict[str, bytes] = {}
    extended: dict[str, bytes] = {}
    while (block := _read(file, place, _BLOCK)).strip(b"\0"):
        name, kind, size = _header(block, place)
        place += _BLOCK
        if kind in b"LKxXg":
            content = _read(file, place, min(size, _EXTENDED_BYTES + 1))
            (everywhere if kind == b"g" else extended).update(_extended(kind, content, size, place))
            place += _padded(size)
            continue
        known, extended = everywhere | extended, {}
        name = known.get("path") or name
        if kind == b"\0" and name.endswith(b"/"):
            kind = b"5"
        if kind == b"S":
            place = _after_sparse_map(file, place, block[482])
        if kind in b"123456":  # links, devices and folders have no bytes, whatever they claim
            size = 0
        elif known.get("size"):
            size = _decimal(known["size"], place)
        if place + size > end:
            raise Damaged(f"the archive ends within the member at byte {place}")
        yield Member(name, kind, place, size, kind == b"S" or "sparse" in known)
        place += _padded(size)
    rest = _read(file, place, _TRAILING_BYTES + 1)
    if end < _BLOCK or place > end or extended:
        raise Damaged(f"the archive ends too early, after {end} bytes")
    if len(rest) > _TRAILING_BYTES or rest.strip(b"\0"):
        raise Damaged(f"the archive has its end at byte {place}, and more behind it")


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _header(block: bytes, place: int) -> tuple[bytes, bytes, int]:
    """Name, kind and size of a member, from the block before it."""
    checksum = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    if len(block) < _BLOCK or _number(block[148:156], place) != checksum:
        raise Damaged(f"no header of a member at byte {place}")
    name, prefix = (field.partition(b"\0")[0] for field in (block[:100], block[345:500]))
    if block[257:263] == b"ustar\0" and prefix:
        name = prefix + b"/" + name
    return name, block[156:157], _number(block[124:136], place)


def _number(field: bytes, place: int) -> int:
    """Octal digits, or a large number as bytes after 0x80."""
    if field[:1] == b"\x80":
        return int.from_bytes(field[1:], "big")
    digits = field.partition(b"\0")[0].strip()
    if not re.fullmatch(rb"[0-7]*", digits):
        raise Damaged(f"the header at byte {place} has an impossible number")
    return int(digits or b"0", 8)


def _decimal(digits: bytes, place: int) -> int:
    if not re.fullmatch(rb"[0-9]{1,20}", digits):
        raise Damaged(f"the header at byte {place} has an impossible size")
    return int(digits)


def _extended(kind: bytes, content: bytes, size: int, place: int) -> dict[str, bytes]:
    """Properties of the next member, or of all that follow, as far as they matter here."""
    if len(content) != size:
        raise Damaged(f"the header at byte {place} has an impossible length")
    if kind in b"LK":
        found = {"path": content.partition(b"\0")[0]} if kind == b"L" else {}
    else:
        found = _properties(content, place)
    if len(found.get("path", b"")) > _NAME_BYTES:
        raise Damaged(f"the header at byte {place} has a name of more than {_NAME_BYTES} bytes")
    return found


def _properties(content: bytes, place: int) -> dict[str, bytes]:
    """From rows of length, blank, key, equals sign, value and line feed."""
    found, start = {}, 0
    while start < len(content) and content[start]:
        digits = content[start : start + 8].partition(b" ")[0]
        stop = start + _decimal(digits, place)
        after = start + len(digits) + 1
        key, equals, value = content[after : stop - 1].partition(b"=")
        if not after < stop <= len(content) or not equals:
            raise Damaged(f"the header at byte {place} has a property of an impossible length")
        if key in (b"path", b"size"):
            found[key.decode()] = value
        elif key.startswith(b"GNU.sparse."):
            found["sparse"] = b""
        start = stop
    return found


def _after_sparse_map(file: BinaryIO, place: int, more: int) -> int:
    """Where a sparse member's bytes begin: its map goes on for as long as each block says so."""
    while more:
        block = _read(file, place, _BLOCK)
        if len(block) < _BLOCK:
            raise Damaged(f"the archive ends within the member at byte {place}")
        more = block[504]
        place += _BLOCK
    return place
