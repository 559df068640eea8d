"""How attributes of any unit become what a network can regress, and back."""

from collections.abc import Sequence
from typing import Protocol

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, smooth_l1_loss


class Dimension(Protocol):
    """Name, kind and range of an attribute."""

    @property
    def name(self) -> str: ...
    @property
    def kind(self) -> str: ...  # "continuous", "circular" (with period high - low) or "binary"
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...


def outputs(dimensions: Sequence[Dimension]) -> int:
    """Numbers a network gives for these attributes: two for a circular one (its sine and cosine), else one."""
    return sum(2 if d.kind == "circular" else 1 for d in dimensions)


def places(dimensions: Sequence[Dimension]) -> dict[str, tuple[int, ...]]:
    """Which of these numbers are each attribute's, by its name."""
    ends = [outputs(dimensions[: i + 1]) for i in range(len(dimensions))]
    return {d.name: tuple(range(end - outputs([d]), end)) for d, end in zip(dimensions, ends, strict=True)}


def attribute_loss(predicted: Tensor, true: Tensor, dimensions: Sequence[Dimension]) -> Tensor:
    """Mean over attributes and batch: smooth L1 in half ranges, cross-entropy for yes/no.

    Args:
        predicted: [B, outputs(dimensions)].
        true: [B, len(dimensions)], each in its own unit.
        dimensions: what they are.
    """
    columns = iter(predicted.to(torch.promote_types(predicted.dtype, torch.float32)).unbind(1))
    parts = []
    for d, value in zip(dimensions, true.unbind(1), strict=True):
        if d.kind == "binary":
            parts.append(binary_cross_entropy_with_logits(next(columns), value))
        elif d.kind == "circular":
            angle = 2 * torch.pi * (value - d.low) / (d.high - d.low)
            parts += [0.5 * smooth_l1_loss(next(columns), f(angle), beta=0.2) for f in (torch.sin, torch.cos)]
        else:
            scaled = (2 * value - d.low - d.high) / (d.high - d.low)
            parts.append(smooth_l1_loss(next(columns), scaled, beta=0.2))
    return torch.stack(parts).mean()


def decode(predicted: np.ndarray, dimensions: Sequence[Dimension]) -> dict[str, np.ndarray]:
    """float32 [B, outputs(dimensions)] => name -> [B], in the attribute's own unit; yes/no as a probability."""
    columns = iter(predicted.T)
    values = {}
    for d in dimensions:
        if d.kind == "binary":
            values[d.name] = 1 / (1 + np.exp(-next(columns)))
        elif d.kind == "circular":
            sine, cosine = next(columns), next(columns)
            turn = np.arctan2(sine, cosine) / (2 * np.pi) % 1
            values[d.name] = d.low + turn * (d.high - d.low)
        else:
            scaled = next(columns).clip(-1, 1)
            values[d.name] = 0.5 * (d.low + d.high + scaled * (d.high - d.low))
    return values
