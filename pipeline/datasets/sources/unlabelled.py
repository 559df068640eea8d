"""Photographs of nobody in particular: files in any folders, and tar archives of them (WebDataset's shards or any).

Nothing is extracted: a member's bytes are used where they lie.
"""

import hashlib
import os
import re
import stat
from pathlib import Path

from pipeline.datasets.archives import Damaged, Member, members
from pipeline.datasets.faces import Listing, Photograph, Reject
from pipeline.datasets.folders import leads_outside, text, visible
from pipeline.datasets.splits import UNLABELLED
from pipeline.errors import UserError
from pipeline.params import Data

# Beside its images a WebDataset has members of other kinds, which are passed over.
IMAGES = frozenset(re.findall(r"\w+", "avif bmp gif heic heif jp2 jpe jpeg jpg pgm png pnm ppm tif tiff webp"))
NOT_IMAGES = frozenset(["cls", "csv", "html", "json", "md", "parquet", "txt", "xml"])  # a folder's; others are tried

_COMPRESSED = (b"\x1f\x8b", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd")  # gzip, xz, zstd; whatever the file is called
_COMPRESSED_NAME = re.compile(r"\.(tar\.(gz|bz2|xz|zst|lz4|lzma|z)|tgz|tbz2?|txz|tzst)$", re.IGNORECASE)
_NUMBERED = re.compile(r"#\d+$")

_FILTER_BITS = 1 << 26  # 8 MiB: of a million names, two are taken for ones that were there


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
    if not os.path.isdir(path):
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
            for member in members(opened):
                item = _candidate(name, file, member, names)
                if item:
                    yield item
        except Damaged as error:
            yield Reject(name, "damaged", str(error))


def _candidate(archive: str, file: Path, member: Member, names: _Names) -> Photograph | Reject | None:
    member_name = text(os.fsdecode(member.name))
    hidden = any(part.startswith(".") and part not in (".", "..") for part in member_name.split("/"))
    if hidden or member.kind == b"5":
        return None
    name = f"{archive}/{names.unique(member_name)}"
    if member.kind not in b"\x0007S":
        return Reject(name, "not_a_file", "it is a link, a device or the like")
    if os.path.splitext(member_name)[1][1:].lower() not in IMAGES:
        return None
    if member.sparse:
        return Reject(name, "sparse_member", "its zeros are left out; pack the archive without --sparse")
    return Photograph(name, None, UNLABELLED, str(file), member.offset, member.size)
