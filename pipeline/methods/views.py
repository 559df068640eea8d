"""How C is shown images, so that nothing pays which pleases C and no eye; ours."""

import math

import torch
from torch import Tensor
from torch.nn.functional import conv2d, pad


def blurred(x: Tensor, sigma: float) -> Tensor:
    """x [B, 3, S, S] through a Gaussian of `sigma` pixels: 0 leaves it alone.

    A frozen classifier is pleased most cheaply by fine patterns that nobody would call a face; behind a blur they
    please it no more.
    """
    if not sigma:
        return x
    radius = math.ceil(2 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device) / sigma).square())
    kernel = torch.outer(kernel, kernel).to(x.dtype) / kernel.sum().square()
    padded = pad(x, (radius,) * 4, mode="replicate")
    return conv2d(padded, kernel.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def nudged(x: Tensor, step: int) -> Tensor:
    """x [B, 3, S, S] moved by 0 or 1 pixel each way, another way at each of four steps.

    C samples every other pixel: without it, G draws that grid where it is allowed to.
    """
    right, down = step % 2, step // 2 % 2
    return pad(x, (right, 0, down, 0), mode="replicate")[..., : x.shape[-2], : x.shape[-1]]
