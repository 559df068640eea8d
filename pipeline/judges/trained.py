"""The judge of data whose people and attributes are known: a network trained on people the generator never saw."""

from collections.abc import Sequence

import numpy as np
import torch

from pipeline.judges.scales import Dimension, decode
from pipeline.judges.verdict import Judge, Verdict
from pipeline.networks import JudgeNetwork


def trained_judge(network: JudgeNetwork, dimensions: Sequence[Dimension], batch_size: int = 256) -> Judge:
    """Wrap a trained network. It scores every image, so `found` is always True."""
    network.eval()
    device = next(network.parameters()).device

    @torch.inference_mode()
    def judge(images: np.ndarray) -> Verdict:
        features, attributes = [], []
        for start in range(0, len(images), batch_size):
            x = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size]))
            # float32: half precision never enters a metric
            said = network(x.permute(0, 3, 1, 2).to(device).float() / 127.5 - 1)
            features.append(said.features.cpu().numpy())
            attributes.append(said.attributes.cpu().numpy())
        values = decode(np.concatenate(attributes), dimensions)
        return Verdict(np.concatenate(features), values, np.ones(len(images), bool))

    return judge
