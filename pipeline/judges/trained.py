"""The judge of data whose people and attributes are known: a network trained on people the generator never saw."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import Tensor

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
        for x in _batches(images, batch_size, device):
            said = network(x)
            features.append(said.features.cpu().numpy())
            attributes.append(said.attributes.cpu().numpy())
        values = decode(np.concatenate(attributes), dimensions)
        return Verdict(np.concatenate(features), values, np.ones(len(images), bool))

    return judge


def trained_recogniser(network: JudgeNetwork, batch_size: int = 256) -> Judge:
    """The same judge, who says whose face it is and nothing else: without attributes."""
    network.eval()
    device = next(network.parameters()).device

    @torch.inference_mode()
    def recognise(images: np.ndarray) -> Verdict:
        features = [network.embed(x).cpu().numpy() for x in _batches(images, batch_size, device)]
        return Verdict(np.concatenate(features), {}, np.ones(len(images), bool))

    return recognise


def _batches(images: np.ndarray, batch_size: int, device: torch.device) -> Iterator[Tensor]:
    """uint8 [B, S, S, 3] => float32 [b, 3, S, S] in [-1, 1] each: half precision never enters a metric."""
    for start in range(0, len(images), batch_size):
        x = torch.from_numpy(np.ascontiguousarray(images[start : start + batch_size]))
        yield x.permute(0, 3, 1, 2).to(device).float() / 127.5 - 1
