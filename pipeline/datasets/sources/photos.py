"""Photographs of people, one folder a person, as aligned faces."""

import hashlib
import math
import os
import unicodedata
from collections import Counter
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import Undecodable, decode
from pipeline.datasets.photographs.detection import Detector
from pipeline.datasets.faces import SPLITS, Face, Reject, Source
from pipeline.errors import UserError
from pipeline.params import Data


class SubjectFace(NamedTuple):
    """A face cut out of a single photograph."""

    image: np.ndarray  # uint8 [S, S, 3] RGB
    note: str | None  # what the person at the keyboard should know


class _Unusable(Exception):
    """Its arguments are the reason and the detail of a Reject."""


_Cut = Callable[[Path], tuple[np.ndarray, np.ndarray]]  # photograph -> crop and landmarks; raises _Unusable


def open_source(data: Data, detector: Callable[[], Detector], workers: int) -> Source:
    """The folder of people that params name, read by one process."""
    p = data.photos
    path = Path(data.path)
    check_folder(path)  # before a detector is asked for
    return photos(path, p.shares.model_dump(), data.image_size, detector(), p.min_face_pixels)


def split_of(identity: str, shares: Mapping[str, float]) -> str:
    """The split of a person, from the name alone: whoever else comes or goes, nobody moves.

    Args:
        identity: name of the person.
        shares: of the people in each of SPLITS; they add up to 1.
    """
    _check_shares(shares)
    # One name has two spellings in Unicode, and file systems differ in which they give back.
    name = unicodedata.normalize("NFC", identity).encode("utf-8", "surrogateescape")
    place = int.from_bytes(hashlib.sha256(name).digest()[:8], "big") / 2**64
    filled = [split for split in SPLITS if shares[split] > 0]
    reached = 0.0
    for split in filled[:-1]:
        reached += shares[split]
        if place < reached:
            return split
    return filled[-1]


def photos(path: Path, shares: Mapping[str, float], image_size: int, detect: Detector, min_face: int) -> Source:
    """Every usable face of a folder of people, and every photograph that is not used, person by person.

    Args:
        path: holds a folder for each person, which holds the photographs.
        shares: of the people in each of SPLITS.
        image_size: side of the crops, in pixels.
        detect: finds faces.
        min_face: narrower faces are rejected; pixels of the photograph.

    Raises:
        UserError: at once if there are no person folders; at the end if no face could be used.
    """
    check_folder(path)
    root = Path(os.path.realpath(path))
    _check_shares(shares)
    cut = partial(_cut, image_size=image_size, detect=detect, min_face=min_face)
    return _people(path, root, shares, cut)


def check_folder(path: Path) -> None:
    """Refuse what holds no folders of people.

    Raises:
        UserError: it is missing, or has no folder in it.
    """
    if not path.is_dir():
        raise UserError(f"{path} is no folder; data.path should name one with a folder for each person")
    if not any(entry.is_dir() for entry in _visible(Path(os.path.realpath(path)))):
        raise UserError(f"{path} holds no folders; put each person's photographs into a folder of their own")


def subject_face(path: Path, detect: Detector, image_size: int) -> SubjectFace:
    """The largest face of one photograph, cut out exactly as `photos` does it.

    Raises:
        UserError: the file is no photograph, or shows no face.
    """
    try:
        image = decode(path)
    except Undecodable as error:
        raise UserError(f"{path}: {error.detail}; choose another photograph") from None
    faces = detect(image)
    if not faces:
        raise UserError(f"{path}: no face was found; choose a photograph with one large face from the front")
    note = f"{path}: {len(faces)} faces were found, the largest is used" if len(faces) > 1 else None
    return SubjectFace(align(image, faces[0].landmarks, image_size)[0], note)


def _check_shares(shares: Mapping[str, float]) -> None:
    total = sum(shares.values())
    if set(shares) != set(SPLITS) or min(shares.values()) < 0 or not math.isclose(total, 1, abs_tol=1e-6):
        raise ValueError(f"shares should name {SPLITS}, be at least 0 and add up to 1 (got {dict(shares)})")


def _people(path: Path, root: Path, shares: Mapping[str, float], cut: _Cut) -> Source:
    used, rejected = 0, Counter[str]()
    for entry in _visible(root):
        for item in _person(entry, root, shares, cut) if entry.is_dir() else [_loose(entry, root)]:
            if isinstance(item, Reject):
                rejected[item.reason] += 1
            else:
                used += 1
            yield item
    if not used:
        reasons = ", ".join(f"{reason}: {number}" for reason, number in rejected.most_common(3)) or "no files"
        tried = f"{path}: none of {rejected.total()} photographs gave a face to use ({reasons})"
        raise UserError(f"{tried}; {_advice(rejected)}")


def _advice(rejected: Counter[str]) -> str:
    commonest = rejected.most_common(1)[0][0] if rejected else ""
    if commonest == "single_photograph":
        return "recognition needs at least two photographs of each person"
    if commonest == "folder_in_a_person_folder":
        return "the people's folders should lie directly in it"
    return "put photographs that show faces into a folder for each person"


def _loose(file: Path, root: Path) -> Reject:
    try:
        _stay_inside(file, root)
    except _Unusable as error:
        return Reject(_text(file.name), *error.args)
    return Reject(_text(file.name), "not_in_a_person_folder", "put it into a folder named after the person")


def _person(folder: Path, root: Path, shares: Mapping[str, float], cut: _Cut) -> list[Face | Reject]:
    """All that a person's folder gives, in the order of the files' names."""
    identity, split = _text(folder.name), split_of(folder.name, shares)
    try:
        _stay_inside(folder, root)
        files = _visible(folder)
    except _Unusable as error:
        return [Reject(identity, *error.args)]
    except OSError as error:
        return [Reject(identity, "unreadable", f"the folder cannot be opened ({error.strerror})")]
    items: list[Face | Reject] = []
    for file in files:
        source = f"{identity}/{_text(file.name)}"
        try:
            _stay_inside(file, root)
            crop, landmarks = cut(file)
            items.append(Face(crop, identity, split, source, landmarks))
        except _Unusable as error:
            items.append(Reject(source, *error.args))
    if sum(isinstance(item, Face) for item in items) == 1:
        why = "the only usable photograph of this person; recognition needs two"
        items = [Reject(item.source, "single_photograph", why) if isinstance(item, Face) else item for item in items]
    return items


def _cut(file: Path, image_size: int, detect: Detector, min_face: int) -> tuple[np.ndarray, np.ndarray]:
    if file.is_dir():
        raise _Unusable("folder_in_a_person_folder", "photographs are read from the person's own folder only")
    try:
        image = decode(file)
    except Undecodable as error:
        raise _Unusable("unreadable", error.detail) from None
    faces = detect(image)
    if not faces:
        raise _Unusable("no_face", "no face was found")
    width = round(float(faces[0].box[2]))
    if width < min_face:
        raise _Unusable("small_face", f"the face is {width} pixels wide, at least {min_face} are asked for")
    return align(image, faces[0].landmarks, image_size)


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, by name, without hidden entries: the same order on every file system."""
    return sorted(entry for entry in folder.iterdir() if not entry.name.startswith("."))


def _stay_inside(entry: Path, root: Path) -> None:
    if entry.is_symlink() and not Path(os.path.realpath(entry)).is_relative_to(root):
        raise _Unusable("outside", "the link leads out of the folder of photographs")


def _text(name: str) -> str:
    """A file's name as valid Unicode; on Linux a name may be any bytes."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")
