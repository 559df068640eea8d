"""Is it the picture it should be? Rendered heads alone have a true answer to compare with, pixel by pixel."""

import torch
from torch import Tensor
from torchmetrics.functional.image import peak_signal_noise_ratio, structural_similarity_index_measure

IDENTICAL = 100.0  # dB, for images without a difference, which have none; half a grey level is 54 dB


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, [B]; average these, not the squared differences.

    Args:
        images: [B, 3, S, S], uint8 or float in [0, 1].
        truth: likewise.
    """
    values = peak_signal_noise_ratio(*_units(images, truth), data_range=1.0, reduction="none", dim=(1, 2, 3))
    return values.clamp(max=IDENTICAL)


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004; window of 11 pixels), [B], at most 1."""
    values = structural_similarity_index_measure(*_units(images, truth), data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)
    return values


def _units(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float32 in [0, 1]."""
    if images.shape != truth.shape or images.ndim != 4:
        raise ValueError(f"images should be alike, [B, 3, S, S]: {tuple(images.shape)}, {tuple(truth.shape)}")
    return _unit(images), _unit(truth)


def _unit(images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not (images.is_floating_point() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images should be uint8, or float in [0, 1]; got {images.dtype}, or beyond")
    return images.float()
