"""G: identity and attributes to image."""

from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, interpolate, layer_norm, leaky_relu, pixel_shuffle

from pipeline.networks.blocks import at_least_float32, channels, laid_like, resolutions

GAIN = 2**0.5  # keeps the variance through a leaky ReLU; without it z is drowned by the shifts ten layers on
STYLE_GAIN = 0.3  # on what the style adds: it reaches every layer at once, so a step in it has to be a small one
PIXEL_GAIN = 0.2  # on the first weights of the image outputs, so that their sum starts inside tanh's range


class ModulatedConv(nn.Module):
    """3x3 convolution whose output channels are scaled and shifted by a style, as in FiLM (arXiv:1709.07871).

    The scales of a sample have a mean square of 1, so that no style makes the whole layer louder. Scaling outputs
    is one pass over them, where StyleGAN2's modulation of inputs with demodulation is four. `style_dim` 0: every
    scale is 1.
    """

    def __init__(self, i: int, o: int, style_dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(o, i, 3, 3) / (9 * i) ** 0.5)
        self.bias = nn.Parameter(torch.zeros(o))
        self.scale = nn.Linear(style_dim, o) if style_dim else None
        self.shift = nn.Linear(style_dim, o) if style_dim else None

    def forward(self, x: Tensor, style: Tensor | None) -> Tensor:
        scale, shift = self.weight.new_ones(1, len(self.bias)), self.bias[None]
        if style is not None and self.scale is not None and self.shift is not None:
            scale = 1 + STYLE_GAIN * at_least_float32(self.scale(style))
            scale = scale * scale.square().mean(dim=1, keepdim=True).rsqrt()
            shift = shift + STYLE_GAIN * self.shift(style)
        x = conv2d(x, self.weight, padding=1)
        scale, shift = ((GAIN * v).to(x.dtype)[:, :, None, None] for v in (scale, shift))
        return leaky_relu(torch.addcmul(shift, x, scale), 0.2)


class Generator(nn.Module):
    """f_I [B, identity_dim], z [B, attribute_dim] => raw pixels in [-1, 1].

    With `concatenation` (the paper) both enter as one vector at the bottom. With `modulation` z alone enters there,
    and both scale and shift the channels of every convolution through a map of two layers.

    Each resolution adds its part to the image, as in StyleGAN2: the short way from z to colours and large shapes
    is what makes a few thousand steps enough. No convolution works at full size: the last one makes four pixels
    from each of half the size (arXiv:1609.05158).
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
        sizes = [channels(image_size, width, r) for r in resolutions(image_size)[:-1]]
        both = identity_dim + attribute_dim
        self.modulated = injection == "modulation"
        style_dim = style_dim if self.modulated else 0
        self.bottom_shape = (sizes[0], 4, 4)
        self.bottom = nn.Linear(attribute_dim if self.modulated else both, sizes[0] * 16)
        self.style = _style(both, style_dim) if self.modulated else None
        self.first = ModulatedConv(sizes[0], sizes[0], style_dim)
        # Narrow first, enlarge, then convolve: the wide tensor is never held at the larger size.
        self.narrow = nn.ModuleList(ModulatedConv(i, o, style_dim) for i, o in pairwise(sizes))
        self.refine = nn.ModuleList(ModulatedConv(o, o, style_dim) for o in sizes[1:])
        self.pixels = nn.ModuleList(_pixels(size, 3, kernel=1) for size in sizes)
        self.details = _pixels(sizes[-1], 4 * 3, kernel=3)

    def forward(self, f_I: Tensor, z: Tensor) -> Tensor:
        style = None
        if self.style is not None:
            style = self.style(torch.cat([layer_norm(f_I, f_I.shape[1:]), z], dim=1))
        x = self.bottom(z if self.modulated else torch.cat([f_I, z], dim=1))
        x = laid_like(self.first.weight, x.view(-1, *self.bottom_shape))
        x = self.first(GAIN * leaky_relu(x, 0.2), style)
        first, *others = self.pixels
        image = at_least_float32(first(x))
        for narrow, refine, pixels in zip(self.narrow, self.refine, others, strict=True):
            x = interpolate(narrow(x, style), scale_factor=2, mode="nearest")
            x = refine(x, style)
            image = _enlarged(image) + at_least_float32(pixels(x))
        image = _enlarged(image) + pixel_shuffle(at_least_float32(self.details(x)), 2)
        return image.tanh()


def _style(i: int, o: int) -> nn.Module:
    return nn.Sequential(nn.Linear(i, o), nn.SiLU(), nn.Linear(o, o), nn.SiLU())


def _enlarged(image: Tensor) -> Tensor:
    return interpolate(image, scale_factor=2, mode="bilinear")


def _pixels(i: int, o: int, kernel: int) -> nn.Conv2d:
    """What features add to the image."""
    layer = nn.Conv2d(i, o, kernel, padding=kernel // 2)
    for parameter in layer.parameters():
        parameter.data *= PIXEL_GAIN
    return layer
