"""A folder of people as it should not be handed over: real photographs, and beside them whatever goes wrong."""

import io
import os
import shutil
import struct
import tarfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image

SHARES = {"train": 0.4, "judge": 0.0, "val": 0.3, "test": 0.3}
TRAIN = ("gina", "hugo", "kim", "ola", "quin", "ron", "sue", 'O\'Brien\n"Bo"')
VAL = ("bob", "carl", "dora", os.fsdecode(b"Ren\xe9"))
TEST = ("ada", "emma", "finn", "ida")


class Crowd:
    """What was made, and of what.

    Attributes:
        folder: a folder a person, for data.photos.
        unlabelled: for data.unlabelled.
        originals: of some photographs that are stored in another way there: their names -> files.
    """

    def __init__(self, place: Path, shared: Path) -> None:
        self.folder, self.unlabelled, self.outside = place / "people", place / "unlabelled", place / "outside"
        for folder in (self.folder, self.unlabelled, self.outside):
            folder.mkdir(parents=True)
        photographed = sorted(entry for entry in (shared / "faces/london").iterdir() if entry.is_dir())
        for name, person in zip((*TRAIN, *VAL, *TEST), photographed, strict=False):
            (self.folder / name).mkdir()
            for picture in ("neutral.jpg", "smiling.jpg"):
                shutil.copyfile(person / picture, self.folder / name / picture)
        self.spare = [person / "neutral.jpg" for person in photographed[len(TRAIN + VAL + TEST) :]]
        self.nobody = sorted((shared / "faces/congress").glob("*.jpg"))
        self.copy(self.spare.pop(), "una/alone.jpg")
        self._add_broken(self.folder / "gina")
        self._add_links(self.folder / "gina")
        self._add_oddly_named("hugo")
        self._add_copies()
        self.originals = self._add_conversions("quin")
        self._add_unlabelled()

    def copy(self, file: Path, name: str) -> None:
        (self.folder / name).parent.mkdir(exist_ok=True)
        shutil.copyfile(file, self.folder / name)

    def _add_broken(self, person: Path) -> None:
        whole = self.spare[-1].read_bytes()
        (person / "zero.jpg").touch()
        (person / "truncated.jpg").write_bytes(whole[: len(whole) // 2])
        (person / "text.jpg").write_text("A letter to the editor.\n" * 100)
        (person / "huge.png").write_bytes(huge_png(50_000))
        Image.new("RGB", (400, 400), (90, 130, 170)).save(person / "plain.png")
        os.mkfifo(person / "pipe.jpg")
        self.copy(self.spare.pop(), "gina/holiday/inside.jpg")
        self.copy(self.spare.pop(), "loose.jpg")

    def _add_links(self, person: Path) -> None:
        secret = self.outside / "secret.jpg"
        shutil.copyfile(self.spare.pop(), secret)
        (person / "leaves.jpg").symlink_to(secret)
        (person / "self.jpg").symlink_to("self.jpg")
        (person / "there.jpg").symlink_to("back.jpg")
        (person / "back.jpg").symlink_to("there.jpg")
        (person / "dangling.jpg").symlink_to("nowhere.jpg")
        (person / "ring").symlink_to("..")

    def _add_oddly_named(self, person: str) -> None:
        odd = ("jpeg.png", "two\nlines.jpg", 'it\'s "quoted", so.jpg', "  spaces  .jpg", os.fsdecode(b"caf\xe9.jpg"))
        for name in odd:
            self.copy(self.spare.pop(), f"{person}/{name}")

    def _add_copies(self) -> None:
        """Names that begin with z, so that the other one comes first."""
        self.copy(self.folder / "kim/neutral.jpg", "kim/z exact.jpg")
        again(self.folder / "kim/smiling.jpg", self.folder / "kim/z again.jpg")
        self.copy(self.folder / "ada/neutral.jpg", "ola/z exact.jpg")
        again(self.folder / "bob/smiling.jpg", self.folder / "ola/z again.jpg")
        again(self.folder / "emma/smiling.jpg", self.folder / "carl/z again.jpg")
        both = self.spare.pop()
        self.copy(both, "ron/z party.jpg"), self.copy(both, "sue/z party.jpg")

    def _add_conversions(self, person: str) -> dict[str, Path]:
        conversions: dict[str, Callable[[Image.Image], Image.Image]] = {
            "grey.jpg": lambda image: image.convert("L"),
            "cmyk.jpg": lambda image: image.convert("CMYK"),
            "turned.jpg": lambda image: image.transpose(Image.Transpose.ROTATE_90),  # against the clock
        }
        originals = {}
        for name, convert in conversions.items():
            originals[name] = self.spare.pop()
            exif = Image.Exif()
            exif[0x0112] = 6 if name == "turned.jpg" else 1  # with the clock, to be upright
            with Image.open(originals[name]) as image:
                convert(image).save(self.folder / person / name, quality=95, exif=exif)
        return originals

    def _add_unlabelled(self) -> None:
        loose, evil, good, first, second = self.nobody[:5]
        shutil.copyfile(loose, self.unlabelled / "loose.jpg")
        with tarfile.open(self.unlabelled / "evil.tar", "w") as tar:
            add(tar, "../../evil.jpg", evil.read_bytes())
            add(tar, "good.json", b"{}")
            add(tar, "good.jpg", good.read_bytes())
        with tarfile.open(self.unlabelled / "cut.tar", "w") as tar:
            add(tar, "first.jpg", first.read_bytes())
            end = tar.offset
            add(tar, "second.jpg", second.read_bytes())
        os.truncate(self.unlabelled / "cut.tar", end + 2000)

    def sources(self) -> list[str]:
        """What should be used or turned down: a name for every file, and for every folder that is not looked into."""
        given = [b"unlabelled/" + name for name in (b"loose.jpg", b"evil.tar/../../evil.jpg", b"evil.tar/good.jpg")]
        given += [b"unlabelled/cut.tar/first.jpg", b"unlabelled/cut.tar"]
        root = os.fsencode(self.folder)
        for person in os.listdir(root):
            if os.path.isdir(os.path.join(root, person)):
                given += [b"photos/%s/%s" % (person, name) for name in os.listdir(os.path.join(root, person))]
            else:
                given.append(b"photos/" + person)
        return sorted(name.decode("utf-8", "backslashreplace") for name in given)


def huge_png(side: int) -> bytes:
    """A square of one colour, as far as anyone is ready to unpack it."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    pixels = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def again(photograph: Path, copy: Path) -> None:
    """What a messenger makes of it: smaller, and compressed once more."""
    with Image.open(photograph) as image:
        image.resize((400, 400)).save(copy, quality=70)


def add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(content)
    tar.addfile(member, io.BytesIO(content))
