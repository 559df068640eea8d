"""The judge of rendered heads: of another make than I and C, so that it is fooled by other things."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline.networks.blocks import at_least_float32, exact_linear


class Closeup(NamedTuple):
    """A part of the face that is looked at on its own."""

    points: tuple[int, ...]  # of the five landmarks, whose mean is its middle
    width: float  # share of the image's side
    height: float
    outputs: tuple[int, ...]  # which of the attributes' numbers are read there


class Opinion(NamedTuple):
    """What the judge says of a batch."""

    features: Tensor  # [B, dim]
    cosines: Tensor  # [B, identities], to the judge's own people
    attributes: Tensor  # [B, a]
    landmarks: Tensor  # float32 [B, 5, 2], x and y in [-1, 1] from border to border


class JudgeNetwork(nn.Module):
    """Raw pixels [B, 3, S, S] in [-1, 1] => Opinion.

    Plain 3x3 convolutions with max pooling and a fully connected layer over the whole map (where I and C are
    residual, strided and average-pooled). The attribute branch leaves before the identity features do. It also says
    where the landmarks are; what shows in a few pixels around them is read by a small network of its own, at full
    resolution, since beside large shapes and colours the whole image's network never learns of it.

    Args:
        image_size: S.
        width: channels of the first block.
        dim: of the features.
        num_identities: the judge's own people.
        num_attributes: a.
        closeups: the parts.
    """

    def __init__(
        self,
        image_size: int,
        width: int,
        dim: int,
        num_identities: int,
        num_attributes: int,
        closeups: Sequence[Closeup] = (),
    ) -> None:
        super().__init__()
        sizes = [width, 2 * width, 4 * width, 4 * width]
        layers: list[nn.Module] = [nn.Conv2d(3, width, 5, stride=2, padding=2), nn.ReLU()]
        for i, o in zip([width, *sizes[:-1]], sizes, strict=True):
            layers += [nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.ReLU()]
            if o > width:
                layers += [nn.MaxPool2d(2)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        flat = sizes[-1] * (image_size // 16) ** 2
        self.features = nn.Linear(flat, dim)
        self.head = nn.Linear(dim, num_identities, bias=False)
        self.attributes = nn.Sequential(nn.Linear(flat, dim), nn.ReLU(), nn.Linear(dim, num_attributes))
        self.landmarks = nn.Sequential(nn.Linear(flat, dim), nn.ReLU(), nn.Linear(dim, 10))
        self.closeups = tuple(closeups)
        self.close = nn.ModuleList(_reader(image_size, width // 2, closeup) for closeup in closeups)

    def embed(self, x: Tensor) -> Tensor:
        """The features alone, [B, dim]: of all that is said of a face, four fifths of the work."""
        features: Tensor = self.features(self.body(x))
        return features

    def forward(self, x: Tensor) -> Opinion:
        h = self.body(x)
        f = self.features(h)
        cosines = exact_linear(normalize(at_least_float32(f), dim=1), normalize(self.head.weight, dim=1))
        attributes, landmarks = self.attributes(h), at_least_float32(self.landmarks(h)).unflatten(1, (5, 2))
        columns = list(attributes.unbind(1))
        for closeup, read in zip(self.closeups, self.close, strict=True):
            seen = read(cropped(x, closeup, landmarks.detach()))
            for column, value in zip(closeup.outputs, seen.unbind(1), strict=True):
                columns[column] = value
        return Opinion(f, cosines, torch.stack(columns, 1), landmarks)


def cropped(x: Tensor, closeup: Closeup, landmarks: Tensor) -> Tensor:
    """The part of each image, whole pixels and within it: [B, 3, S, S], float [B, 5, 2] => [B, 3, H, W]."""
    side = x.shape[-1]
    width, height = _size(side, closeup)
    middle = (landmarks[:, closeup.points].mean(1) + 1) * side / 2
    left = (middle[:, 0] - width / 2).round().clamp(0, side - width).long()
    top = (middle[:, 1] - height / 2).round().clamp(0, side - height).long()
    rows = top[:, None, None] + torch.arange(height, device=x.device)[:, None]
    columns = left[:, None, None] + torch.arange(width, device=x.device)
    each = torch.arange(len(x), device=x.device)[:, None, None]
    return x.permute(0, 2, 3, 1)[each, rows, columns].permute(0, 3, 1, 2)


def _size(side: int, closeup: Closeup) -> tuple[int, int]:
    return round(closeup.width * side), round(closeup.height * side)


def _reader(image_size: int, width: int, closeup: Closeup) -> nn.Sequential:
    """Five convolutions, the first two at full resolution."""
    w, h = _size(image_size, closeup)
    layers: list[nn.Module] = []
    for i, o, halve in (
        (3, width, False),
        (width, width, True),
        (width, 2 * width, False),
        (2 * width, 2 * width, True),
        (2 * width, 4 * width, True),
    ):
        layers += [nn.Conv2d(i, o, 3, padding=1), nn.GroupNorm(4, o), nn.ReLU()]
        if halve:
            layers += [nn.MaxPool2d(2)]
    flat = 4 * width * (h // 8) * (w // 8)
    return nn.Sequential(
        *layers, nn.Flatten(), nn.Linear(flat, 4 * width), nn.ReLU(), nn.Linear(4 * width, len(closeup.outputs))
    )
