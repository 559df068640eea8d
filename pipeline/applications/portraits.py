"""The faces of photographs that a person names: files, folders, or `-` for one on standard input."""

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np

from pipeline import assets
from pipeline.datasets.faces import Cut, Face
from pipeline.datasets.photographs.cutting import Unusable, find, frame
from pipeline.datasets.photographs.decoding import MAX_BYTES, Undecodable, decode, read
from pipeline.datasets.photographs.detection import Detector, yunet
from pipeline.errors import UserError

log = logging.getLogger(__name__)

MIN_SCORE = 0.6  # a person chose this photograph, so a less certain face is still the one that is meant
STDIN = Path("-")
Look = TypeVar("Look")  # what is made of a photograph


class Portrait(NamedTuple):
    """The face of a photograph that is meant, without the photograph: hundreds of those would fill the memory."""

    name: str  # as the person named it
    face: Face  # cut out as the model wants it, with its points in the photograph


class Portraits:
    """Finds faces as `prepare` does, and cuts them as the model was trained.

    Args:
        cut: the model's.

    Raises:
        UserError: the detector's weights are not here.
    """

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.detect: Detector = yunet(assets.locate("yunet").path, MIN_SCORE)

    def of(self, file: Path) -> Portrait:
        """The face of one photograph.

        Raises:
            UserError: it cannot be read, or shows no face.
        """
        return self.within(file)[1]

    def within(self, file: Path) -> tuple[np.ndarray, Portrait]:
        """A photograph, uint8 [H, W, 3] RGB, and its face.

        Raises:
            UserError: it cannot be read, or shows no face.
        """
        try:
            photograph = decode(sys.stdin.buffer.read(MAX_BYTES) if file == STDIN else read(file))
            face = frame(photograph, find(photograph, self.detect, self.cut), self.cut)
        except (Undecodable, Unusable) as error:
            raise UserError(f"{file}: {error.detail}; choose another photograph, with one large face") from None
        if face.faces and face.faces > 1:
            log.warning("note: %s: %d faces were found, the %s one is used", file, face.faces, self.cut.choose)
        return photograph, Portrait(str(file), face)

    def each_within(self, folder: Path) -> Iterator[tuple[np.ndarray, Portrait]]:
        """The photographs of a folder with their faces, one at a time; one without a face is passed over, and said.

        Raises:
            UserError: none shows a face.
        """
        return self._in_folder(folder, self.within)

    def each(self, places: Sequence[Path]) -> Iterator[Portrait]:
        """The faces of files and of all files in folders; in a folder, one without a face is passed over, and said.

        Raises:
            UserError: a file that was named shows no face, or a folder has none that does.
        """
        for place in places:
            yield from self._in_folder(place, self.of) if place.is_dir() else [self.of(place)]

    def _in_folder(self, folder: Path, look: Callable[[Path], Look]) -> Iterator[Look]:
        found = False
        for path in sorted(p for p in folder.iterdir() if p.is_file() and not p.name.startswith(".")):
            try:
                yield look(path)
                found = True
            except UserError as error:
                log.warning("passed over: %s", error)
        if not found:
            raise UserError(
                f"{folder}: no face was found in any file of this folder; name one with photographs of faces"
            )


def check_named(places: Iterable[Path], out: Path = STDIN) -> None:
    """What can be said of photographs by their names alone, before a model is opened.

    Args:
        places: files, folders, or `-`.
        out: what will be written; `-` is standard output.

    Raises:
        UserError: one is not there, `-` stands for several, or `out` is one of them.
    """
    named = list(places)
    if named.count(STDIN) > 1:
        raise UserError("-: standard input holds one photograph; name the others as files")
    for place in named:
        if place == STDIN:
            continue
        try:
            os.stat(place)
        except OSError as error:
            raise UserError(f"{place}: cannot be opened ({error.strerror}); choose another photograph") from None
        if out != STDIN and os.path.isfile(out) and place.samefile(out.parent if place.is_dir() else out):
            raise UserError(f"{out}: is one of the photographs that are read; choose another name with --out")


def stacked(portraits: Sequence[Portrait]) -> np.ndarray:
    """The faces alone: uint8 [B, S, S, 3]."""
    return np.stack([portrait.face.image for portrait in portraits])
