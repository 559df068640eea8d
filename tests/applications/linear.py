"""A model that can be done in the head: pictures, f_I and z are straight lines of a head's numbers.

What an edit should give is then known to the grey level, and so are the codes.
"""

import numpy as np

from pipeline.applications.directions import features
from pipeline.datasets import heads

SIZE, CONTRAST = 32, 150.0
PIXELS = SIZE * SIZE * 3


def units(vectors, known):
    """The features of vectors [B, n], each over [-1, 1]."""
    columns = [np.clip(vectors[:, i], d.low, d.high) for i, d in enumerate(known)]
    scaled = [
        features(d, c) if d.kind == "circular" else ((2 * c - d.low - d.high) / (d.high - d.low))[:, None]
        for d, c in zip(known, columns, strict=True)
    ]
    return np.concatenate(scaled, 1)


class Linear:
    """Grey, and on it a pattern for each feature of person and circumstances; reads them back from the pixels."""

    image_size = SIZE

    def __init__(self):
        rng = np.random.default_rng(0)
        self.people = units(np.zeros((1, len(heads.IDENTITY))), heads.IDENTITY).shape[1]
        circumstances = units(np.zeros((1, len(heads.ATTRIBUTES))), heads.ATTRIBUTES).shape[1]
        self.patterns = np.linalg.qr(rng.standard_normal((PIXELS, self.people + circumstances)))[0]

    def draw(self, people, circumstances):
        """The truth, uint8 [B, S, S, 3]."""
        return self.synthesize(units(people, heads.IDENTITY), units(circumstances, heads.ATTRIBUTES))

    def identity(self, images):
        return self._codes(images)[:, : self.people]

    def attributes(self, images):
        return self._codes(images)[:, self.people :]

    def synthesize(self, f_I, z):
        pixels = 128 + CONTRAST * np.concatenate([f_I, z], 1) @ self.patterns.T
        return np.round(pixels).clip(0, 255).astype(np.uint8).reshape(-1, SIZE, SIZE, 3)

    def _codes(self, images):
        return (images.reshape(len(images), PIXELS) - 128.0) @ self.patterns / CONTRAST
