"""What a recombination of rendered heads should look like, which nobody knows of photographs."""

import numpy as np

from pipeline.datasets import heads
from pipeline.datasets.shards import Faces


def true_recombinations(faces: Faces, subject_rows: np.ndarray, sample_rows: np.ndarray) -> np.ndarray:
    """The persons of `subject_rows` in the circumstances of `sample_rows`, rendered: uint8 [B, S, S, 3]."""
    size = faces.image(0).shape[0]
    people, circumstances = faces.column("identity_vector", subject_rows), faces.column("attribute_vector", sample_rows)
    return np.stack([heads.render(i, a, size).image for i, a in zip(people, circumstances, strict=True)])
