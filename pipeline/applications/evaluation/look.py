"""What is seen in images, a row an image."""

from typing import NamedTuple

import numpy as np
from torch import Tensor

from pipeline.judges.verdict import Verdict

Column = dict[str, np.ndarray]  # name -> one number an output


class Look(NamedTuple):
    """What is seen in images, a row an image."""

    said: Verdict  # the judge
    truth: Column  # how near each is to the true recombination; empty where nobody knows it
    images: np.ndarray = np.zeros(0, np.uint8)  # uint8 [B, S, S, 3], of those that are looked at again
    inception: Tensor | None = None  # float32 [B, 2048]


Looks = dict[str, Look]  # by system, or by what else was looked at
