"""`python -m pipeline augment`: more faces of the people of a prepared folder, for whoever trains a recogniser."""

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from pipeline.applications import deliveries, marks
from pipeline.applications.evaluation.uses import SEVERAL
from pipeline.applications.prepared import prepared
from pipeline.applications.recombine import opened
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.building.parts import INDEX, REJECTS
from pipeline.datasets.columns import LANDMARKS
from pipeline.datasets.photographs.alignment import TEMPLATE, framed, pixels
from pipeline.datasets.shards import SHARD_IMAGES, Faces, TarWriter, write_table
from pipeline.errors import UserError
from pipeline.terminal import watched
from pipeline.training.spread import chunks

log = logging.getLogger(__name__)

MOST = 10_000  # faces of a person
SPLIT = "train"  # whatever is measured on the other splits is measured on photographs
LIST = pa.schema(
    [("path", pa.string()), ("offset", pa.int64()), ("size", pa.int64()), ("sha256", pa.string())]
    + [("identity", pa.string()), ("split", pa.string())]
    + [(name, pa.float32()) for name in LANDMARKS]
)
MADE = INDEX.append(pa.field("sample_key", pa.string())).append(pa.field("synthetic", pa.bool_()))


class Made(NamedTuple):
    """A face that was made."""

    image: np.ndarray  # uint8 [S, S, 3]
    identity: str
    sample_key: str  # of the prepared face, somebody else's, that gave all but the person


def augment(folder: Path, each: int, seed: int, out: Path) -> dict[str, Any]:
    """Write a folder as `prepare` does: `each` new faces of every person of the train split.

    Beside it OUT.parquet lists them for `prepare` to read, with `data.source: manifest`.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: the folder or the model is missing, or there is nobody whose circumstances could be taken.
    """
    if not 1 <= each <= MOST:
        raise UserError(f"augment: --images should be from 1 to {MOST} (got {each})")
    if seed < 0:
        raise UserError(f"augment: --seed should be 0 or more (got {seed})")
    deliveries.vacant(out)
    manifest = out.with_name(f"{out.name}.parquet")
    if manifest.exists():  # perhaps somebody's list of photographs
        raise UserError(f"{manifest}: is there already, and the list of the faces goes there; name another with --out")
    model = opened()
    faces = prepared(model, "let --faces name a prepared folder", folder)
    settings = {"images": each, "seed": seed, "split": SPLIT}
    made = {"out": str(out), "model": model.fingerprint, "inputs": {"faces": str(folder)}, "settings": settings}
    people = len(np.unique(faces.coded("identity")[0][faces.of_split(SPLIT)]))
    log.info("augment: %d people, %d faces", people, people * each)
    with deliveries.folder(out, made) as part:
        new = watched(synthesized(model, faces, each, seed), "faces", people * each)
        rows = write(part, new, model.fingerprint)
        # Before the folder has its name: whoever finds the folder finds its list too.
        write_table(manifest, listed(rows, out.name, model), LIST)
    return made


def synthesized(model: FaceSynthesizer, faces: Faces, each: int, seed: int) -> Iterator[Made]:
    """Every person of the train split in the circumstances of `each` photographs of other people, drawn at random.

    A person's draws follow from the seed and the place among the people alone.

    Raises:
        UserError: there is one person only.
    """
    rows = faces.of_split(SPLIT)
    identity, names = faces.coded("identity")
    keys, person = faces.column("key", rows), identity[rows]
    if len(np.unique(person)) < 2:
        raise UserError(f"{faces.folder}: one person alone has nobody to take pose and light from; two are needed")
    for place, whose in enumerate(np.unique(person)):
        own, others = rows[person == whose][:SEVERAL], np.flatnonzero(person != whose)
        f_I = model.person(faces.images(own))
        rng = np.random.default_rng([seed, place])
        drawn = rng.choice(others, each, replace=each > len(others))
        for part in chunks(drawn):
            z = model.attributes(faces.images(rows[part]))
            made = model.synthesize(np.repeat(f_I, len(z), axis=0), z)
            for image, row in zip(made, part, strict=True):
                yield Made(image, names[whose], str(keys[row]))


def write(folder: Path, made: Iterator[Made], fingerprint: str) -> list[dict[str, Any]]:
    """Shards whose images say what they are, each with its caption, and the index, which says `synthetic` of all.

    Returns:
        The index's rows.
    """
    rows: list[dict[str, Any]] = []
    finished = False
    while not finished:
        with TarWriter(folder / f"{SPLIT}-{len(rows) // SHARD_IMAGES:05d}.tar") as tar:
            for _ in range(SHARD_IMAGES):
                face = next(made, None)
                if face is None:
                    finished = True
                    break
                key = f"synthetic{len(rows):09d}"
                row = {"identity": face.identity, "split": SPLIT, "source": f"synthetic/{key}", "synthetic": True}
                place = tar.add(key, marks.png(face.image, fingerprint), row)
                rows.append({"key": key, **place, **row, "sample_key": face.sample_key})
    write_table(folder / "index.parquet", rows, MADE)
    write_table(folder / "rejects.parquet", [], REJECTS)  # none; `inspect` reads it
    return rows


def listed(rows: list[dict[str, Any]], folder: str, model: FaceSynthesizer) -> list[dict[str, Any]]:
    """Rows of an index as a manifest of photographs has them.

    The crops are in their frame already, so the landmarks are the frame's own: aligned to them, a crop stays as it is.
    A person's name is that which the source had (`ada` of `photos/ada`): a manifest of the photographs has it too.
    """
    points = pixels(framed(TEMPLATE, model.cut.margin), model.cut.image_size).ravel().tolist()
    known = dict(zip(LANDMARKS, points, strict=True))
    return [
        {
            **{name: row[name] for name in ("offset", "size", "sha256", "split")},
            "path": f"{folder}/{row['shard']}",
            "identity": row["identity"].partition("/")[2] or row["identity"],
            **known,
        }
        for row in rows
    ]
