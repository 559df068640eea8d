"""What every judge says of a batch of faces."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Verdict(NamedTuple):
    """One row an image."""

    features: np.ndarray  # float32 [B, d], not normalised; compare them by cosine
    attributes: dict[str, np.ndarray]  # name -> float32 [B], in the attribute's own unit; yes/no as a probability
    found: np.ndarray  # bool [B]; False where no face was found, which counts as a failure of the image

    def part(self, rows: slice | np.ndarray) -> "Verdict":
        """What it says of some of the images."""
        attributes = {name: values[rows] for name, values in self.attributes.items()}
        return Verdict(self.features[rows], attributes, self.found[rows])


def joined(parts: Sequence[Verdict]) -> Verdict:
    """Verdicts of one judge as one."""
    features, attributes, found = zip(*parts, strict=True)
    named = {name: np.concatenate([values[name] for values in attributes]) for name in attributes[0]}
    return Verdict(np.concatenate(features), named, np.concatenate(found))


Judge = Callable[[np.ndarray], Verdict]  # uint8 [B, S, S, 3] RGB aligned crops -> Verdict
