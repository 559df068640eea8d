"""`python -m pipeline morph`: on the way from one face to another, the person, all else, or both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pipeline.applications import deliveries, marks
from pipeline.applications.films import FILMS
from pipeline.applications.portraits import STDIN, Portraits, check_named, stacked
from pipeline.applications.recombine import opened
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.contact_sheet import tiled
from pipeline.errors import UserError

FEWEST, MOST = 2, 1000  # frames; all are in memory at once
ACROSS = 12  # frames in a line of a strip


def morph(
    subject: Sequence[Path], to_subject: Sequence[Path], sample: Path, to_sample: Path | None, count: int, out: Path
) -> dict[str, Any]:
    """Write the frames from (subject, sample) to (to_subject, to_sample): a strip, a film, or a folder of them.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: neither end differs, a file shows no face, the model is missing, or `out` cannot be written.
    """
    _check(to_subject, to_sample, count, out)
    check_named([*subject, *to_subject, sample, *([to_sample] if to_sample else [])], out)
    model = opened()
    portraits = Portraits(model.cut)
    shown = {
        "subject": list(portraits.each(subject)),
        "to_subject": list(portraits.each(to_subject)),
        "sample": [portraits.of(sample)],
        "to_sample": [portraits.of(to_sample)] if to_sample else [],
    }
    inputs = {name: [portrait.name for portrait in some] for name, some in shown.items() if some}
    f_I = [model.person(stacked(shown[name]))[0] for name in ("subject", "to_subject") if shown[name]]
    z = [model.attributes(stacked(shown[name]))[0] for name in ("sample", "to_sample") if shown[name]]
    frames = way(model, (f_I[0], f_I[-1]), (z[0], z[-1]), count)
    made = {"out": str(out), "model": model.fingerprint, "inputs": inputs, "settings": {"frames": count}}
    deliver(out, frames, model.fingerprint, made)
    return made


def way(
    model: FaceSynthesizer, f_I: tuple[np.ndarray, np.ndarray], z: tuple[np.ndarray, np.ndarray], count: int
) -> np.ndarray:
    """Faces in equal steps from the first codes to the second, each [d]: uint8 [count, S, S, 3].

    Each is made alone, as `recombine` makes one, so the ends are its pictures to the last bit.
    """
    return np.stack([step(model, f_I, z, t) for t in np.linspace(0, 1, count)])


def step(
    model: FaceSynthesizer, f_I: tuple[np.ndarray, np.ndarray], z: tuple[np.ndarray, np.ndarray], t: float
) -> np.ndarray:
    """The face at a share of the way, 0 to 1, from the first codes to the second, each [d]: uint8 [S, S, 3]."""
    return model.synthesize(along_sphere(*f_I, t)[None], along_line(*z, t)[None])[0]


def along_sphere(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Between two vectors [d] on the arc from one direction to the other (Shoemake 1985), the length in equal steps.

    A straight line would pass nearer to the origin than any person lies.

    Raises:
        ValueError: they point in opposite directions, between which no arc is the shortest.
    """
    if t in (0, 1):
        return (a, b)[int(t)].copy()
    lengths = [float(np.linalg.norm(vector)) for vector in (a, b)]
    u, v = (vector.astype(np.float64) / max(length, 1e-12) for vector, length in zip((a, b), lengths, strict=True))
    across = v - (u @ v) * u
    away = float(np.linalg.norm(across))
    if away < 1e-7 and u @ v < 0:
        raise ValueError("two vectors of opposite directions have no shortest arc between them")
    angle = t * np.arctan2(away, u @ v)
    length = (1 - t) * lengths[0] + t * lengths[1]
    return (length * (np.cos(angle) * u + np.sin(angle) * across / max(away, 1e-12))).astype(a.dtype)


def along_line(a: np.ndarray, b: np.ndarray, t: float) -> np.ndarray:
    """Between two vectors [d] on the straight line; the ends are these, to the last bit."""
    return ((1 - t) * a + t * b).astype(a.dtype)


def deliver(out: Path, frames: np.ndarray, fingerprint: str, made: dict[str, Any]) -> None:
    """Frames, uint8 [N, S, S, 3], as what `out` says: .png a strip, .gif or .mp4 a film, else a folder of PNGs."""
    kind = out.suffix.lower()
    if out == STDIN or kind == ".png":
        deliveries.file(out, marks.png(strip(frames), fingerprint), made)
    elif kind in FILMS:
        deliveries.file(out, FILMS[kind](frames, fingerprint), made)
    else:
        with deliveries.folder(out, made) as part:
            for number, frame in enumerate(frames):
                (part / f"{number:04d}.png").write_bytes(marks.png(frame, fingerprint))


def strip(frames: np.ndarray) -> np.ndarray:
    """Frames side by side, ACROSS in a line, on white."""
    blank = np.full_like(frames[0], 255)
    lines = [list(frames[start : start + ACROSS]) for start in range(0, len(frames), ACROSS)]
    return tiled([line + [blank] * (len(lines[0]) - len(line)) for line in lines])


def _check(to_subject: Sequence[Path], to_sample: Path | None, count: int, out: Path) -> None:
    """What can be said before anything is read."""
    if not (to_subject or to_sample):
        raise UserError("morph: name where to: another person with --to-subject, another photograph with --to-sample")
    if not FEWEST <= count <= MOST:
        raise UserError(f"morph: --frames should be from {FEWEST} to {MOST} (got {count})")
    kind = out.suffix.lower()
    if out != STDIN and kind not in (".png", *FILMS):
        if kind in (".jpg", ".jpeg", ".webp", ".avi", ".mov", ".webm"):
            raise UserError(f"{out}: let --out end in .png, .gif or .mp4, or name a folder for the frames")
        deliveries.vacant(out)
