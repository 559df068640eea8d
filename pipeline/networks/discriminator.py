"""D: is it a photograph?"""

from itertools import pairwise

from torch import Tensor, nn

from pipeline.networks.blocks import channels, resolutions


class Discriminator(nn.Module):
    """Raw pixels => f_D [B, d], the features before the last layer, and a logit [B, 1], high for real.

    Strided 4x4 convolutions as in DCGAN (arXiv:1511.06434), without its batch normalisation.
    """

    def __init__(self, image_size: int, width: int) -> None:
        super().__init__()
        sizes = [3, *(channels(image_size, width, r) // 2 for r in reversed(resolutions(image_size)[:-1]))]
        layers: list[nn.Module] = []
        for i, o in pairwise(sizes):
            layers += [nn.Conv2d(i, o, 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(sizes[-1] * 16, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self.body(x)
        return f, self.head(f)
