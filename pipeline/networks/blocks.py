"""Pieces that several networks are made of."""

import torch
from torch import Tensor, nn
from torch.nn.functional import linear


def channels(image_size: int, width: int, resolution: int) -> int:
    """Channels at a resolution: `width` at full size, doubled at each halving, up to 8 times."""
    return width * min(8, image_size // resolution)


def resolutions(image_size: int) -> list[int]:
    """4, 8, …, image_size."""
    return [2**k for k in range(2, image_size.bit_length())]


def norm(features: int) -> nn.GroupNorm:
    """Group normalisation: one sample at a time, so batches and processes do not mix."""
    return nn.GroupNorm(features // 16 if features % 16 == 0 else 1, features)


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32, anything finer as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))


def exact_linear(x: Tensor, weight: Tensor) -> Tensor:
    """x @ weightᵀ, under autocast too: cosines in half precision would be told apart by 0.004 at best."""
    if not torch.is_autocast_enabled(x.device.type):  # an exported graph has no place for the switch below
        return linear(x, weight)
    with torch.autocast(x.device.type, enabled=False):
        return linear(x, weight)


def laid_like(weight: Tensor, x: Tensor) -> Tensor:
    """x [B, C, R, R], in memory as a kernel lies: half of each would be turned round again and again."""
    last = torch.channels_last
    return x.contiguous(memory_format=last) if weight.is_contiguous(memory_format=last) else x


class Residual(nn.Module):
    """Two 3x3 convolutions, the first with stride 2, beside a pooled shortcut: [B, i, R, R] -> [B, o, R/2, R/2]."""

    def __init__(self, i: int, o: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(i, o, 3, stride=2, padding=1),
            norm(o),
            nn.SiLU(),
            nn.Conv2d(o, o, 3, padding=1),
            norm(o),
        )
        self.shortcut = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(i, o, 1))
        self.activation = nn.SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.body(x) + self.shortcut(x))
