"""Is it the picture it should be? Rendered heads alone have a true answer to compare with, pixel by pixel."""

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.functional.image import (
    multiscale_structural_similarity_index_measure,
    peak_signal_noise_ratio,
    structural_similarity_index_measure,
)

IDENTICAL = 100.0  # dB, for images without a difference, which have none; half a grey level is 54 dB
WINDOW = 11  # pixels, of SSIM
NAMES = ("psnr", "ssim", "ms_ssim")
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # weights, from the image as it is to a sixteenth of it


def psnr(images: Tensor, truth: Tensor) -> Tensor:
    """Peak signal-to-noise ratio of each image in dB, [B]; average these, not the squared differences.

    Args:
        images: [B, 3, H, W], uint8 or float in [0, 1].
        truth: likewise.
    """
    values = peak_signal_noise_ratio(*_units(images, truth), data_range=1.0, reduction="none", dim=(1, 2, 3))
    return values.clamp(max=IDENTICAL)


def ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity of each image (Wang et al. 2004; window of 11 pixels), [B], at most 1."""
    with torch.autocast(images.device.type, enabled=False):  # its window would slide in half precision
        values = structural_similarity_index_measure(*_units(images, truth), data_range=1.0, reduction="none")
    assert isinstance(values, Tensor)
    return values


def scales(shortest: int) -> int:
    """At how many scales, each half of the one before, images with this shortest side have room for the window."""
    return sum(shortest >> halved >= WINDOW for halved in range(len(SCALES)))


def ms_ssim(images: Tensor, truth: Tensor) -> Tensor:
    """Structural similarity at several scales of each image (Wang et al. 2003), [B], 0 to 1.

    Over as many of the five published scales as the image has room for (64 pixels: three), whose weights then stand
    for all: numbers compare between images of one size.

    Raises:
        ValueError: there is room for one alone, which is `ssim`.
    """
    given, wanted = _units(images, truth)
    count = scales(min(given.shape[2:]))
    if count < 2:
        raise ValueError(f"images of {given.shape[2]} x {given.shape[3]} pixels have no room for two scales")
    weights = tuple(weight / sum(SCALES[:count]) for weight in SCALES[:count])
    with torch.autocast(images.device.type, enabled=False):
        return multiscale_structural_similarity_index_measure(
            given, wanted, data_range=1.0, betas=weights, reduction="none"
        )


def nearness(images: Tensor, truth: Tensor) -> dict[str, Tensor]:
    """`psnr`, `ssim` and, where there is room for two scales, `ms_ssim` of each image: name -> float32 [B]."""
    found = {"psnr": psnr(images, truth), "ssim": ssim(images, truth)}
    if scales(min(images.shape[2:])) > 1:
        found["ms_ssim"] = ms_ssim(images, truth)
    return found


class MeanNearness(Metric):
    """Means of `nearness` over images, in float64.

    Those of torchmetrics.image add up float32, and one picture without a difference makes their PSNR infinite.
    """

    full_state_update = False
    total: Tensor
    count: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("total", torch.zeros(len(NAMES), dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros(len(NAMES), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, images: Tensor, truth: Tensor) -> None:
        for name, column in nearness(images, truth).items():
            self.total[NAMES.index(name)] += column.double().sum()
            self.count[NAMES.index(name)] += len(column)

    def compute(self) -> dict[str, Tensor]:
        """Name -> mean, of what was seen."""
        seen = zip(NAMES, self.total, self.count, strict=True)
        return {name: total / count for name, total, count in seen if count}


def _units(images: Tensor, truth: Tensor) -> tuple[Tensor, Tensor]:
    """Both as float32 in [0, 1]."""
    if images.shape != truth.shape or images.ndim != 4:
        raise ValueError(f"images should be alike, [B, 3, H, W]: {tuple(images.shape)}, {tuple(truth.shape)}")
    return _unit(images), _unit(truth)


def _unit(images: Tensor) -> Tensor:
    if images.dtype == torch.uint8:
        return images.float() / 255
    if not (images.is_floating_point() and images.min() >= 0 and images.max() <= 1):
        raise ValueError(f"images should be uint8, or float in [0, 1]; got {images.dtype}, or beyond")
    return images.float()
