"""Directions that are known, for a model that has learned none."""

import numpy as np

from pipeline import paths
from pipeline.applications import editing
from pipeline.applications.directions import Directions
from pipeline.applications.editing import KNOWN
from pipeline.applications.synthesizer import FaceSynthesizer
from tests.applications.linear import units

FAINT = "pitch", "moustache"


def keep_directions(top, model=None):
    """For the model in `top`: each number has a step of its own, and FAINT alone are hardly told."""
    model = model or FaceSynthesizer(top / paths.MODEL)
    blank = np.zeros((1, model.image_size, model.image_size, 3), np.uint8)
    codes = {"attribute": model.attributes(blank), "trait": model.identity(blank)}
    rng, found = np.random.default_rng(0), {}
    for kind, known in KNOWN.items():
        count, size = units(np.zeros((1, len(known))), known).shape[1], codes[kind].shape[1]
        clarity = np.array([0.05 if d.name in FAINT else 0.75 for d in known])
        steps = rng.standard_normal((count, size))
        length = np.linalg.norm(codes[kind]) if kind == "trait" else 0.0
        found[kind] = Directions(steps, np.zeros((size, count)), np.zeros(count), clarity, np.array([float(length)]))
    editing.keep(top / paths.DIRECTIONS / f"{model.fingerprint}.safetensors", found)
    return found
