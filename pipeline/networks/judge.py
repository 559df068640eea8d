"""The judge of rendered heads: of another make than I and C, so that it is fooled by other things."""

from torch import Tensor, nn
from torch.nn.functional import linear, normalize

from pipeline.networks.blocks import at_least_float32


class JudgeNetwork(nn.Module):
    """Raw pixels => features [B, dim], cosines to the judge's own people [B, identities], attributes [B, a].

    Plain 3x3 convolutions with max pooling and a fully connected layer over the whole map (where I and C are
    residual, strided and average-pooled). The attribute branch leaves before the identity features do.
    """

    def __init__(self, image_size: int, width: int, dim: int, num_identities: int, num_attributes: int) -> None:
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

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        h = self.body(x)
        f = self.features(h)
        cosines = linear(normalize(at_least_float32(f), dim=1), normalize(self.head.weight, dim=1))
        return f, cosines, self.attributes(h)
