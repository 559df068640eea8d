"""G: identity and attributes to image."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, layer_norm, leaky_relu

from pipeline.networks.blocks import at_least_float32, channels, resolutions


class ModulatedConv(nn.Module):
    """3x3 convolution whose input channels are scaled by a style and whose output variance is restored.

    The scale-and-demodulate of StyleGAN2 (arXiv:1912.04958, eq. 1 to 3), applied to activations, which is the same
    mathematics and lets all samples share one convolution. `style_dim` 0: every scale is 1.
    """

    def __init__(self, i: int, o: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i, 3, 3) / (9 * i) ** 0.5)
        self.scale = nn.Linear(style_dim, i) if style_dim else None
        self.shift = nn.Linear(style_dim, o) if style_dim else nn.Linear(1, o)
        if self.scale is not None:
            nn.init.ones_(self.scale.bias)

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        if self.scale is None or style is None:
            s = self.weight.new_ones(x.shape[0], x.shape[1])
            shift = self.shift(self.weight.new_zeros(x.shape[0], 1))
        else:
            s, shift = at_least_float32(self.scale(style)), self.shift(style)
        demodulation = (s.square() @ self.weight.square().sum(dim=(2, 3)).T + 1e-8).rsqrt()
        x = conv2d(x * s.to(x.dtype)[:, :, None, None], self.weight, padding=1)
        x = x * demodulation.to(x.dtype)[:, :, None, None] + shift.to(x.dtype)[:, :, None, None]
        return leaky_relu(x, 0.2)


class Generator(nn.Module):
    """f_I [B, identity_dim], z [B, attribute_dim] => raw pixels in [-1, 1].

    With `concatenation` (the paper) both enter as one vector at the bottom. With `modulation` z alone does, and f_I
    scales and shifts the channels of every convolution through a map of two layers.
    """

    def __init__(
        self,
        image_size: int,
        width: int,
        identity_dim: int,
        attribute_dim: int,
        style_dim: int,
        injection: Literal["modulation", "concatenation"],
    ) -> None:
        super().__init__()
        sizes = [channels(image_size, width, r) for r in resolutions(image_size)]
        self.concatenate = injection == "concatenation"
        style_dim = 0 if self.concatenate else style_dim
        self.bottom_shape = (sizes[0], 4, 4)
        self.bottom = nn.Linear(attribute_dim + (identity_dim if self.concatenate else 0), sizes[0] * 16)
        self.style = (
            None
            if self.concatenate
            else nn.Sequential(
                nn.Linear(identity_dim, style_dim), nn.SiLU(), nn.Linear(style_dim, style_dim), nn.SiLU()
            )
        )
        self.first = ModulatedConv(sizes[0], sizes[0], style_dim)
        pairs = list(pairwise(sizes))
        # Narrow first, enlarge, then convolve: the wide tensor is never held at the larger size.
        self.narrow = nn.ModuleList(ModulatedConv(i, o, style_dim) for i, o in pairs)
        self.refine = nn.ModuleList(ModulatedConv(o, o, style_dim) for _, o in pairs)
        self.pixels = nn.Conv2d(sizes[-1], 3, 3, padding=1)

    def forward(self, f_I: Tensor, z: Tensor) -> Tensor:
        style = None if self.style is None else self.style(layer_norm(f_I, f_I.shape[1:]))
        bottom = torch.cat([f_I, z], dim=1) if self.concatenate else z
        x = self.bottom(bottom).view(-1, *self.bottom_shape).to(memory_format=torch.channels_last)
        x = self.first(leaky_relu(x, 0.2), style)
        for narrow, refine in zip(self.narrow, self.refine, strict=True):
            x = interpolate(narrow(x, style), scale_factor=2, mode="nearest")
            x = refine(x, style)
        return at_least_float32(self.pixels(x)).tanh()
