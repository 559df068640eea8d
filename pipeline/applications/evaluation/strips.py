"""Pictures of what the model is for: photographs brought to the front, morphs, a performance."""

from collections.abc import Iterator

import numpy as np

from pipeline.applications.evaluation import uses
from pipeline.applications.evaluation.bench import Bench
from pipeline.applications.evaluation.maker import Maker
from pipeline.datasets.contact_sheet import tiled

COLUMNS, ROWS = 12, 5  # of a picture, at most


def strips(b: Bench, maker: Maker) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, caption and picture, of those that the data knows enough for."""
    faces, z = b.material.asked.faces, uses.frontal_code(b, maker)
    turned = np.concatenate(b.material.people.probes)[uses.turned_probes(b)]
    if z is not None and len(turned):
        shown = faces.images(turned[np.linspace(0, len(turned) - 1, min(COLUMNS, len(turned))).astype(int)])
        f_I = maker.identity(shown)
        made = maker.faces(f_I, z.expand(len(f_I), -1))
        yield (
            "frontalization",
            "turned photographs, and the same people from the front",
            tiled([list(shown), list(made)]),
        )
    morphs = uses.morphs(b, maker)
    if morphs is not None:
        ends = [faces.images(pair) for pair in morphs.ends[:ROWS]]
        ways = morphs.images.reshape(-1, uses.STEPS, *morphs.images.shape[1:])
        rows = [[first, *way, last] for (first, last), way in zip(ends, ways[:ROWS], strict=True)]
        yield "morphing", "a person a row, from the left sample to the right one", tiled(rows)
    if b.material.asked.truth_known:
        first = next(uses.performances(b, maker))
        caption = "a performance, the subject's by the model, and the subject's as it should be"
        yield "performance", caption, tiled([list(part) for part in first])
