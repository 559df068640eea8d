"""`truth/*`: how near are answers to the true recombination, as a whole, around the eyes, around the mouth?"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.applications.evaluation.look import Column
from pipeline.applications.evaluation.regions import REGIONS, cut, pasted
from pipeline.judges.verdict import Judge, Verdict
from pipeline.metrics.truth import nearness


class Nearness(NamedTuple):
    """The true answers, and who looks."""

    true: np.ndarray  # uint8 [B, S, S, 3]
    said_of_truth: Verdict
    landmarks: np.ndarray  # float32 [B, 5, 2], pixels (x, y): where the truth has them
    recognise: Judge

    def of(self, images: np.ndarray, said: Verdict) -> Column:
        """Of images, uint8 [B, S, S, 3], of which the judge said this.

        A region's pixels are compared alone; its feature distance is that of a face which is true everywhere else.
        Without room for two scales there is no `ms_ssim`.
        """
        columns: Column = {}
        for ending, region in REGIONS.items():
            given, wanted = images, self.true
            if region is not None:
                given, wanted = (cut(faces, region, self.landmarks) for faces in (images, self.true))
                if images is not self.true:
                    said = self.recognise(pasted(images, self.true, region, self.landmarks))
            pair = _tensor(given), _tensor(wanted)
            columns |= {f"truth/{name}{ending}": column.numpy() for name, column in nearness(*pair).items()}
            columns[f"truth/feature_distance{ending}"] = self._distance(said)
        return columns

    def _distance(self, said: Verdict) -> np.ndarray:
        given, wanted = torch.from_numpy(said.features), torch.from_numpy(self.said_of_truth.features)
        return (1 - cosine_similarity(given, wanted)).numpy()


def _tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] => uint8 [B, 3, H, W]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
