"""The pictures of docs/use.md and the README: what a trained model makes of rendered heads, and of photographs.

    python -m tools.use_pictures [--model DIR] [--out DIR]
    python -m tools.use_pictures --subjects FILE [FILE ...] --samples FILE [FILE ...] --other DIR

The first writes morph.png and edit.png, of heads whom no data set contains (those of the demo); `edit --fit` comes
before it, or is done here. The second writes photographs.png, by the model and beside it by another one that was
trained on photographs, and the same as photographs.jpg for the demo's page. All are marked as synthetic.
"""

import argparse
import io
import sys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from pipeline import paths
from pipeline.applications import marks
from pipeline.applications.demo.gallery import Drawn, Gallery, true_answer
from pipeline.applications.directions import Directions
from pipeline.applications.edit_truth import changed
from pipeline.applications.editing import Change, edited, known_directions
from pipeline.applications.morphing import strip, way
from pipeline.applications.portraits import Portraits, check_named, stacked
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.contact_sheet import tiled
from pipeline.errors import UserError

ROOT = Path(__file__).resolve().parent.parent
FRAMES = 9
BETWEEN = 40  # pixels of white between two grids
LARGER = 2  # edits are small things
EDITS = (
    Change("attribute", "glasses", 1.0, relative=False),
    Change("attribute", "mouth_open", 1.0, relative=False),
    Change("attribute", "yaw", 25.0, relative=True),
    Change("attribute", "light_azimuth", 60.0, relative=True),
    Change("trait", "beard", 1.0, relative=False),
    Change("trait", "hair_length", 1.0, relative=False),
)


def morphed(model: FaceSynthesizer, start: tuple[Drawn, Drawn], end: tuple[Drawn, Drawn]) -> np.ndarray:
    """The way from a subject in a sample to another subject in another sample, a strip."""
    subjects, samples = (_faces(model, heads) for heads in zip(start, end, strict=True))
    f_I, z = model.identity(subjects), model.attributes(samples)
    return strip(way(model, (f_I[0], f_I[1]), (z[0], z[1]), FRAMES))


def edits(model: FaceSynthesizer, known: dict[str, Directions], head: Drawn) -> np.ndarray:
    """A head as it is and with each change: above by the model, below as it is rendered so."""
    face = _faces(model, [head])
    above = [model.synthesize(model.identity(face), model.attributes(face))[0]]
    true = [head]
    for change in EDITS:
        above.append(edited(model, known, face, change)[0][0])
        vectors = {"trait": head.identity, "attribute": head.attributes}
        vectors[change.kind] = changed(vectors[change.kind][None], change)[0]
        true.append(Drawn(vectors["trait"], vectors["attribute"]))
    rows = [above, list(_faces(model, true))]
    return tiled([[cv2.resize(f, None, fx=LARGER, fy=LARGER, interpolation=cv2.INTER_CUBIC) for f in r] for r in rows])


def grid(model: FaceSynthesizer, subjects: Sequence[Path], samples: Sequence[Path]) -> np.ndarray:
    """Every subject (rows) with every sample (columns), as `recombine` makes it."""
    portraits = Portraits(model.cut)
    x_s, x_a = (stacked(list(portraits.each(files))) for files in (subjects, samples))
    z, rows = model.attributes(x_a), [[np.full_like(x_s[0], 255), *x_a]]
    for face, f_I in zip(x_s, model.identity(x_s), strict=True):
        rows.append([face, *model.synthesize(np.repeat(f_I[None], len(z), axis=0), z)])
    return tiled(rows)


def beside(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Two pictures of one height, on white."""
    return np.concatenate([left, np.full((len(left), BETWEEN, 3), 255, np.uint8), right], axis=1)


def _faces(model: FaceSynthesizer, heads: Sequence[Drawn]) -> np.ndarray:
    return np.stack([true_answer(head, head, model.image_size) for head in heads])


def _jpeg(image: np.ndarray, says: str) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(image).save(stream, "JPEG", quality=90, comment=says)
    return stream.getvalue()


def of_heads(model: FaceSynthesizer, out: Path) -> None:
    gallery = Gallery()
    people, scenes = ([_known(gallery, p) for p in pictures] for pictures in (gallery.subjects, gallery.samples))
    strip_of = morphed(model, (people[0], scenes[2]), (people[3], scenes[5]))
    marks.replace(out / "morph.png", marks.png(strip_of, model.fingerprint))
    sheet = edits(model, known_directions(model), people[0])
    marks.replace(out / "edit.png", marks.png(sheet, model.fingerprint))


def of_photographs(
    model: FaceSynthesizer, other: FaceSynthesizer, subjects: Sequence[Path], samples: Sequence[Path], out: Path
) -> None:
    picture = beside(grid(model, subjects, samples), grid(other, subjects, samples))
    both = f"{model.fingerprint} and {other.fingerprint}"
    marks.replace(out / "photographs.png", marks.png(picture, both, marks.PASTED))
    marks.replace(out / "photographs.jpg", _jpeg(picture, marks.sentence(both)))


def _known(gallery: Gallery, picture: np.ndarray) -> Drawn:
    head = gallery.drawn(picture)
    assert head is not None
    return head


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR")
    parser.add_argument("--out", type=Path, default=ROOT / "docs", metavar="DIR")
    parser.add_argument("--subjects", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--samples", type=Path, nargs="+", metavar="FILE")
    parser.add_argument("--other", type=Path, metavar="DIR", help="a model that was trained on photographs")
    a = parser.parse_args()
    if len({bool(a.subjects), bool(a.samples), bool(a.other)}) > 1:
        parser.error("--subjects, --samples and --other go together")
    try:
        if a.other:
            check_named([*a.subjects, *a.samples])
            of_photographs(FaceSynthesizer(a.model), FaceSynthesizer(a.other), a.subjects, a.samples, a.out)
        else:
            of_heads(FaceSynthesizer(a.model), a.out)
    except UserError as error:
        sys.exit(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
