"""`python -m pipeline pairs`: the list for `evaluate-folder`, of outputs that are named as data sets name them."""

import csv
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from pipeline.applications.evaluation.folder import COLUMNS, PEOPLE, Row
from pipeline.datasets.folders import visible
from pipeline.errors import UserError

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp")


def of_videos(videos: Path, outputs: Path, frames: int) -> Iterator[Row]:
    """FaceForensics++ (arXiv:1901.08971): a folder TARGET_SOURCE of frames for each pair of videos.

    Args:
        videos: a folder of frames for each original video.
        outputs: those folders; each frame has the name of the target's.
        frames: of each, at equal steps; all, where there are fewer.

    Raises:
        UserError: a folder is not there or holds no pictures, or a name is none of two videos.
    """
    for folder in _folders(outputs):
        source, target = _two(folder.name, videos, videos)
        made = _pictures(folder)
        given, shown = _pictures(videos / source), _pictures(videos / target)
        names = [name for name in made if name in shown]
        if not names or not given:
            raise UserError(f"{folder}: no frame has the name of a frame of {videos / target}, or {source} has none")
        steps = np.linspace(0, 1, min(frames, len(names)))
        of_source = list(given.values())
        for step in steps:
            name = names[round(step * (len(names) - 1))]
            subject = of_source[round(step * (len(of_source) - 1))]
            yield Row(subject, shown[name], made[name], source, target)


def of_grid(subjects: Path, samples: Path, outputs: Path) -> Iterator[Row]:
    """Every output of subjects with samples, named SUBJECT_SAMPLE: of 1000 with 1000, a million.

    Args:
        subjects: photographs, each of another person.
        samples: likewise.
        outputs: made of them.

    Raises:
        UserError: a folder is not there or holds no pictures, or a name is none of a subject and a sample.
    """
    given, shown = ({Path(name).stem: path for name, path in _pictures(f).items()} for f in (subjects, samples))
    for name, output in _pictures(outputs).items():
        stem = Path(name).stem
        found = [(s, a) for s, a in _splits(stem) if s in given and a in shown]
        if len(found) != 1:
            raise UserError(f"{output}: its name should be SUBJECT_SAMPLE, of one picture of {subjects} and {samples}")
        ((s, a),) = found
        yield Row(given[s], shown[a], output, f"subject {s}", f"sample {a}")


def write(rows: Iterator[Row], out: Path) -> int:
    """The list; how many rows it has.

    Raises:
        UserError: from `rows`, or it cannot be written.
    """
    part, count = out.with_name(f".{out.name}.part"), 0
    try:
        with part.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow((*COLUMNS, *PEOPLE))
            for row in rows:
                writer.writerow([path.resolve() for path in row[:3]] + list(row[3:]))
                count += 1
        os.replace(part, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None
    finally:
        if part.parent.is_dir():
            part.unlink(missing_ok=True)
    return count


def _two(name: str, targets: Path, sources: Path) -> tuple[str, str]:
    """Source and target of TARGET_SOURCE."""
    found = [(s, t) for t, s in _splits(name) if (targets / t).is_dir() and (sources / s).is_dir()]
    if len(found) != 1:
        raise UserError(f"{name}: should be TARGET_SOURCE, of two folders of frames in {targets}")
    return found[0]


def _splits(name: str) -> list[tuple[str, str]]:
    """What stands before and behind each underscore."""
    places = [i for i, letter in enumerate(name) if letter == "_"]
    return [(name[:i], name[i + 1 :]) for i in places]


def _folders(folder: Path) -> list[Path]:
    found = [entry for entry in _entries(folder) if entry.is_dir()]
    if not found:
        raise UserError(f"{folder}: holds no folders; each pair of videos should have one")
    return found


def _pictures(folder: Path) -> dict[str, Path]:
    """Name -> file, in order."""
    found = {entry.name: entry for entry in _entries(folder) if entry.suffix.lower() in SUFFIXES}
    if not found:
        raise UserError(f"{folder}: holds no pictures ({', '.join(SUFFIXES)})")
    return found


def _entries(folder: Path) -> list[Path]:
    try:
        return visible(folder)
    except OSError as error:
        raise UserError(f"{folder}: cannot be opened ({error.strerror}); name a folder that is there") from None
