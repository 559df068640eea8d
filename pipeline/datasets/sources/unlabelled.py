"""Photographs of nobody in particular: files in any folders, and tar archives of them (WebDataset's shards or any).

Nothing is extracted: a member's bytes are used where they lie. The archives are read here and not by `tarfile`, which
believes what a header claims: with Python 3.11.7 a negative size is an endless loop, and properties of 64 kB take a
gigabyte.
"""

import hashlib
import os
import re
import stat
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import BinaryIO, NamedTuple

from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.sources.folders import leads_outside, text, visible
from pipeline.datasets.splits import UNLABELLED
from pipeline.errors import UserError
from pipeline.params import Data

# Beside its images a WebDataset has members of other kinds, which are passed over.
IMAGES = frozenset(re.findall(r"\w+", "avif bmp gif heic heif jp2 jpe jpeg jpg pgm png pnm ppm tif tiff webp"))
NOT_IMAGES = frozenset(["cls", "csv", "html", "json", "md", "parquet", "txt", "xml"])  # a folder's; others are tried

_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, xz, zstd; whatever the file is called
_COMPRESSED_NAME = re.compile(r"\.(tar\.(gz|bz2|xz|zst|lz4|lzma|z)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
_NUMBERED = re.compile(r"#\d+$")

_BLOCK = 512
_EXTENDED_BYTES = 1 << 20  # of a header that holds a long name or other properties; most have some hundred bytes
_NAME_BYTES = 4096  # what Linux takes
_TRAILING_BYTES = 1 << 20  # zeros after the last member, to fill what was a block of a tape
_FILTER_BITS = 1 << 26  # 8 MiB: of a million names, two are taken for ones that were there


class _Member(NamedTuple):
    name: bytes
    kind: bytes  # one letter; the digits are those of POSIX
    offset: int  # of its bytes
    size: int
    sparse: bool  # its bytes are not all there


class _Damaged(Exception):
    """Its argument is the detail of a Reject."""


class _Names:
    """Makes the names of an archive's members unique, in constant memory.

    A Bloom filter tells which names are certainly new. One that may not be gets its number in the order, and so does
    one that looks as if it had such a number: no two can be the same then.
    """

    def __init__(self) -> None:
        self.count = 0
        self.bits = bytearray(_FILTER_BITS // 8)

    def unique(self, name: str) -> str:
        self.count += 1
        if self._is_new(name) and not _NUMBERED.search(name):
            return name
        return f"{name}#{self.count}"

    def _is_new(self, name: str) -> bool:
        digest, new = hashlib.blake2b(name.encode(), digest_size=16).digest(), False
        for i in range(0, 16, 4):
            place, bit = divmod(int.from_bytes(digest[i : i + 4], "big") % _FILTER_BITS, 8)
            new |= not self.bits[place] >> bit & 1
            self.bits[place] |= 1 << bit
        return new


def listing(data: Data) -> Listing:
    """Every file of the folder, and of folders in it, and every image in its archives, in the order of their names.

    Raises:
        UserError: at once, if the folder is missing or cannot be opened.
    """
    path = Path(data.unlabelled)
    wanted = "data.unlabelled should name one with images or tar archives of them, or an empty one"
    if not path.is_dir():
        raise UserError(f"{path} is no folder; {wanted}")
    root = Path(os.path.realpath(path))
    try:
        entries = _named(root, "unlabelled")
    except OSError as error:
        raise UserError(f"{path}: the folder cannot be opened ({error.strerror}); {wanted}") from None
    return _listing(entries, root)


def _listing(entries: list[tuple[str, Path]], root: Path) -> Listing:
    waiting = [entries]  # a list for each level; recursion would not reach the deepest folder that there can be
    while waiting:
        if not waiting[-1]:
            waiting.pop()
            continue
        name, entry = waiting[-1].pop()
        try:
            if stat.S_ISDIR(os.lstat(entry).st_mode):
                waiting.append(_named(entry, name))
            else:
                yield from _file(name, entry, root)
        except OSError as error:
            yield Reject(name, "unreadable", f"it cannot be opened ({error.strerror})")


def _named(folder: Path, name: str) -> list[tuple[str, Path]]:
    """What lies in a folder, with the names of candidates, from last to first."""
    named = []
    for number, entry in enumerate(visible(folder), 1):
        shown = text(entry.name)
        # Escaped bytes may look like another's name; with the number, and it kept for them, they do not.
        if "\\" in shown and (shown != entry.name or _NUMBERED.search(shown)):
            shown = f"{shown}#{number}"
        named.append((f"{name}/{shown}", entry))
    return named[::-1]


def _file(name: str, file: Path, root: Path) -> Listing:
    if leads_outside(file, root):
        yield Reject(name, "outside", "the link leads out of the folder of photographs")
        return
    mode, suffix = os.stat(file).st_mode, file.suffix[1:].lower()
    if stat.S_ISDIR(mode):
        yield Reject(name, "link_to_a_folder", "links to folders are not followed")
    elif not stat.S_ISREG(mode):
        yield Reject(name, "not_a_file", "it is neither a file nor a folder")
    elif suffix in NOT_IMAGES:
        yield Reject(name, "not_an_image", f"by its suffix, .{suffix}")
    elif _COMPRESSED_NAME.search(file.name):
        yield _compressed(name)
    elif suffix == "tar":
        yield from _archive(name, file)
    else:
        yield Photograph(name, None, UNLABELLED, str(file))


def _compressed(name: str) -> Reject:
    return Reject(name, "compressed_archive", "unpack it: images are read where they lie, which takes a plain .tar")


def _archive(name: str, file: Path) -> Listing:
    """The images of an archive, as far as it can be read."""
    names = _Names()
    with open(file, "rb") as opened:
        if opened.read(6).startswith(_COMPRESSED):
            yield _compressed(name)
            return
        try:
            for member in _members(opened):
                item = _candidate(name, file, member, names)
                if item:
                    yield item
        except _Damaged as error:
            yield Reject(name, "damaged", str(error))


def _candidate(archive: str, file: Path, member: _Member, names: _Names) -> Photograph | Reject | None:
    member_name = text(os.fsdecode(member.name))
    path = PurePosixPath(member_name)
    if member.kind == b"5" or any(part.startswith(".") and part != ".." for part in path.parts):
        return None
    name = f"{archive}/{names.unique(member_name)}"
    if member.kind not in b"\x0007S":
        return Reject(name, "not_a_file", "it is a link, a device or the like")
    if path.suffix[1:].lower() not in IMAGES:
        return None
    if member.sparse:
        return Reject(name, "sparse_member", "its zeros are left out; pack the archive without --sparse")
    return Photograph(name, None, UNLABELLED, str(file), member.offset, member.size)


def _members(file: BinaryIO) -> Iterator[_Member]:
    """Walk from header to header; what they claim is held against the archive's size.

    Raises:
        _Damaged: after the last member that is whole.
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
            raise _Damaged(f"the archive ends within the member at byte {place}")
        yield _Member(name, kind, place, size, kind == b"S" or "sparse" in known)
        place += _padded(size)
    rest = _read(file, place, _TRAILING_BYTES + 1)
    if end < _BLOCK or place > end or extended:
        raise _Damaged(f"the archive ends too early, after {end} bytes")
    if len(rest) > _TRAILING_BYTES or rest.strip(b"\0"):
        raise _Damaged(f"the archive has its end at byte {place}, and more behind it")


def _read(file: BinaryIO, place: int, size: int) -> bytes:
    file.seek(place)
    return file.read(size)


def _padded(size: int) -> int:
    return -(-size // _BLOCK) * _BLOCK


def _header(block: bytes, place: int) -> tuple[bytes, bytes, int]:
    """Name, kind and size of a member, from the block before it."""
    checksum = sum(block[:148]) + 8 * ord(" ") + sum(block[156:])
    if len(block) < _BLOCK or _number(block[148:156], place) != checksum:
        raise _Damaged(f"no header of a member at byte {place}")
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
        raise _Damaged(f"the header at byte {place} has an impossible number")
    return int(digits or b"0", 8)


def _decimal(digits: bytes, place: int) -> int:
    if not re.fullmatch(rb"[0-9]{1,20}", digits):
        raise _Damaged(f"the header at byte {place} has an impossible size")
    return int(digits)


def _extended(kind: bytes, content: bytes, size: int, place: int) -> dict[str, bytes]:
    """Properties of the next member, or of all that follow, as far as they matter here."""
    if len(content) != size:
        raise _Damaged(f"the header at byte {place} has an impossible length")
    if kind in b"LK":
        found = {"path": content.partition(b"\0")[0]} if kind == b"L" else {}
    else:
        found = _properties(content, place)
    if len(found.get("path", b"")) > _NAME_BYTES:
        raise _Damaged(f"the header at byte {place} has a name of more than {_NAME_BYTES} bytes")
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
            raise _Damaged(f"the header at byte {place} has a property of an impossible length")
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
            raise _Damaged(f"the archive ends within the member at byte {place}")
        more = block[504]
        place += _BLOCK
    return place
