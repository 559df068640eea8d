"""How good a trained model is at what it is used for: round trips of photographs, and how steady `act` is.

    python -m tools.use_quality [--model DIR] [--faces DIR] [--people N] [--frames N] [--json FILE]

A round trip has a person's own photograph as subject and as sample, so the photograph itself is the right answer. The
performance is rendered, so it is known of every frame where each landmark is and what the subject would look like. It
goes through all of `act` but the film's coding: YuNet, following, filters, networks, pasting.
"""

import argparse
import json
import math
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import torch

from pipeline import assets, paths
from pipeline.applications import judging
from pipeline.applications.acting.film import Picture
from pipeline.applications.acting.following import PLACES
from pipeline.applications.acting.performer import Performer, batched, pasted
from pipeline.applications.portraits import MIN_SCORE
from pipeline.applications.prepared import prepared
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets import heads
from pipeline.datasets.faces import Cut
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.detection import Detector, yunet
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.metrics.truth import psnr
from pipeline.params import load_params
from pipeline.tracking.files import write
from tools.asked import at_least

ROOT = Path(__file__).resolve().parent.parent
RATE = 25  # frames a second
SCENE, HEAD = (480, 320), 224  # pixels of a frame, and of the head in it
LIKENESSES = 5  # pictures of a person that the frames are compared with
SEED = 7_000_000  # people of the performance, whom no split has

Recognise = Callable[[np.ndarray], np.ndarray]  # uint8 [B, S, S, 3] => float32 [B, d]


class Film(NamedTuple):
    """A rendered performance."""

    frames: np.ndarray  # uint8 [F, H, W, 3]
    landmarks: np.ndarray  # float32 [F, 5, 2], where they truly are


def round_trips(model: FaceSynthesizer, faces: Faces) -> dict[str, intervals.Estimate]:
    """PSNR in dB over all photographs of the test split, with 95 % intervals over people.

    `own`: the photograph is subject and sample; `another`: the subject is the person's next photograph, the right
    answer is the same; `mean_face`: of an answer that anyone could give.
    """
    rows = faces.of_split("test")
    x, person = faces.images(rows), torch.from_numpy(faces.coded("identity")[0][rows].astype(np.int64))
    f_I, z = model.identity(x), model.attributes(x)
    answers = {
        "own": model.synthesize(f_I, z),
        "another": model.synthesize(f_I[following(person.numpy())], z),
        "mean_face": np.broadcast_to(np.rint(x.mean(axis=0)).astype(np.uint8), x.shape),
    }
    over, truth = intervals.resamples(person), images(x)
    return {name: intervals.mean(psnr(images(made), truth).double(), over) for name, made in answers.items()}


def following(person: np.ndarray) -> np.ndarray:
    """For each row the next one of the same person, and behind the last the first."""
    order = np.zeros(len(person), np.int64)
    for one in np.unique(person):
        own = np.flatnonzero(person == one)
        order[own] = np.roll(own, -1)
    return order


def images(x: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(x)).permute(0, 3, 1, 2)


def film(person: np.ndarray, circumstances: np.ndarray, frames: int) -> Film:
    """A person who turns the head, speaks and walks through the picture, never by whole pixels."""
    names = [d.name for d in heads.ATTRIBUTES]
    shown, landmarks = [], []
    for i in range(frames):
        t = i / RATE
        moved = circumstances.copy()
        moved[names.index("yaw")] = 25 * math.sin(2 * math.pi * t / 3)
        moved[names.index("mouth_open")] = 0.4 - 0.4 * math.cos(2 * math.pi * t / 0.8)
        left, top = 128 + 90 * math.sin(2 * math.pi * t / 4), 48 + 12 * math.sin(2 * math.pi * t / 1.7)
        drawn = heads.render(person, moved, HEAD)
        matrix = np.array([(1, 0, left), (0, 1, top)])
        scene = cv2.warpAffine(drawn.image, matrix, SCENE, flags=cv2.INTER_CUBIC, borderValue=(128, 128, 128))
        shown.append(scene)
        landmarks.append(drawn.landmarks + np.array([left, top], np.float32))
    return Film(np.asarray(shown, np.uint8), np.asarray(landmarks, np.float32))


def played(model: FaceSynthesizer, detect: Detector, f_I: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """What `act` makes of frames, of the same shape."""
    performer = Performer(model, detect, f_I, PLACES["largest"], lambda time: time / RATE)
    batches = batched((Picture(i, frame) for i, frame in enumerate(frames)), len(frames))
    with performer.playing(batches) as acted:
        return np.stack([one.picture.image for batch in acted for one in pasted(batch, model.cut.margin)])


def jitter(frames: np.ndarray, known: np.ndarray, detect: Detector) -> tuple[float, float]:
    """How much the landmarks that YuNet sees tremble about where they are.

    Root mean square of the second difference of their error, from frame to frame, in hundredths of the distance of the
    eyes; and the share of the frames in which it sees a face. NaN where it never does in three frames on end.
    """
    error = np.full(known.shape, np.nan)
    for i, frame in enumerate(frames):
        if faces := detect(frame):
            error[i] = faces[0].landmarks - known[i]
    eyes = float(np.median(np.linalg.norm(known[:, 0] - known[:, 1], axis=1)))
    change = np.diff(error, n=2, axis=0)
    change = change[np.isfinite(change).all(axis=(1, 2))]
    size = float(np.sqrt(np.mean(np.sum(change**2, axis=-1)))) if len(change) else math.nan
    return 100 * size / eyes, float(np.isfinite(error).all(axis=(1, 2)).mean())


def cosines(shown: Film, person: np.ndarray, cut: Cut, recognise: Recognise) -> np.ndarray:
    """Likeness of each frame, cut out by the landmarks that are known, to LIKENESSES pictures of the person, [F]."""
    crops = [align(frame, at, cut.image_size, cut.margin)[0] for frame, at in zip(*shown, strict=True)]
    rng = np.random.default_rng(SEED)
    pictures = [portrait(person, heads.sample_attributes(rng), cut) for _ in range(LIKENESSES)]
    features, known = recognise(np.stack(crops)), recognise(np.stack(pictures)).mean(axis=0)
    return features @ known / np.maximum(np.linalg.norm(features, axis=1) * np.linalg.norm(known), 1e-12)


def portrait(person: np.ndarray, circumstances: np.ndarray, cut: Cut) -> np.ndarray:
    drawn = heads.render(person, circumstances, HEAD)
    return align(drawn.image, drawn.landmarks, cut.image_size, cut.margin)[0]


def steadiness(
    model: FaceSynthesizer, detect: Detector, recognise: Recognise, people: int, frames: int
) -> dict[str, intervals.Estimate | None]:
    """Of the films that are acted, that are made of them, and that would be true; a film a person.

    `*_jitter`: of landmarks, as above; `*_seen`: share of frames with a face; `*_cosine` and `*_cosine_deviation`:
    likeness to the person who is to be seen, its mean and its standard deviation over the frames. Ratios are of the
    made film to the acted one. None where YuNet sees too few faces.
    """
    rng, columns = np.random.default_rng(SEED), list[dict[str, float]]()
    drawn = [heads.sample_identity(rng) for _ in range(people + 1)]
    for subject, actor in pairwise(drawn):
        circumstances = heads.sample_attributes(rng)
        acted, true = film(actor, circumstances, frames), film(subject, circumstances, frames)
        f_I = model.identity(portrait(subject, heads.sample_attributes(rng), model.cut)[None])
        made = Film(played(model, detect, f_I, acted.frames), acted.landmarks)
        row = {}
        for name, shown, person in (("acted", acted, actor), ("made", made, subject), ("true", true, subject)):
            row[f"{name}_jitter"], row[f"{name}_seen"] = jitter(*shown, detect)
            likeness = cosines(shown, person, model.cut, recognise)
            row[f"{name}_cosine"], row[f"{name}_cosine_deviation"] = float(likeness.mean()), float(likeness.std())
        for name in ("jitter", "cosine_deviation"):
            row[f"{name}_ratio"] = row[f"made_{name}"] / max(row[f"acted_{name}"], 1e-9)
        columns.append(row)
    return {name: estimate([row[name] for row in columns]) for name in columns[0]}


def estimate(values: list[float]) -> intervals.Estimate | None:
    """The mean over people; None where it is not known of any."""
    column = torch.tensor(values, dtype=torch.float64)
    column = column[column.isfinite()]
    return intervals.mean(column, intervals.resamples(torch.arange(len(column)))) if len(column) else None


def recogniser(model: FaceSynthesizer) -> tuple[str, Recognise]:
    """The evaluation's judge, where it is there; else the model's I, which took part in the training."""
    try:
        params = load_params(Path("params.yaml"))
        judge = judging.load(params.data, params.judge, paths.JUDGE).judge
    except (UserError, OSError) as error:
        print(f"note: no judge ({error}); likeness is by the model's own I, which is too kind", file=sys.stderr)
        return "I", model.identity
    if params.data.image_size != model.image_size:
        return "I", model.identity
    return "judge", lambda x: judge(x).features


def row(estimated: intervals.Estimate | None) -> dict[str, float | int] | None:
    if estimated is None:
        return None
    return {key: round(value, 5) for key, value in estimated._asdict().items() if not math.isnan(value)}


def table(name: str, rows: dict[str, Any], unit: str = "") -> None:
    print(f"\n| {name} | value | 95 % over people |\n|---|---|---|")
    for key, said in rows.items():
        if said is None:
            print(f"| `{key}` | not known | |")
        else:
            between = f"{said['low']:.3g} to {said['high']:.3g}" if "low" in said else ""
            print(f"| `{key}` | {said['value']:.3g}{unit} | {between} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR")
    parser.add_argument("--faces", type=Path, default=paths.FACES, metavar="DIR", help="whose test split is used")
    parser.add_argument("--people", type=at_least(1), default=8, help="who perform")
    parser.add_argument("--frames", type=at_least(3), default=50, help="of a performance")
    parser.add_argument("--json", type=Path, default=ROOT / ".facet" / "use_quality.json", metavar="FILE")
    arguments = parser.parse_args()
    try:
        model = FaceSynthesizer(arguments.model)
        detect = yunet(assets.locate("yunet").path, MIN_SCORE)
        faces = prepared(model, "name another folder with --faces", arguments.faces)
        by, recognise = recogniser(model)
        trips = {name: row(e) for name, e in round_trips(model, faces).items()}
        table("round trip, PSNR", trips, " dB")
        steady = steadiness(model, detect, recognise, arguments.people, arguments.frames)
    except UserError as error:
        sys.exit(str(error))
    steady_rows = {name: row(e) for name, e in steady.items()}
    table(f"act; likeness by {by}", steady_rows)
    said = {"model": model.fingerprint, "recogniser": by, "round_trip_psnr": trips, "act": steady_rows}
    write(arguments.json, json.dumps(said, indent=2, sort_keys=True))
    print(f"\nJSON {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
