"""I, C and A: image to vector; Q: vector to person."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline.networks.blocks import Residual, at_least_float32, channels, exact_linear, norm, resolutions


class Recogniser(nn.Module):
    """I and C: raw pixels => f [B, identity_dim] (the last pooling layer) and class scores [B, identities].

    With `normalized`, f has unit length and the scores are cosines in [-1, 1]; without, they are logits.
    """

    def __init__(self, image_size: int, width: int, identity_dim: int, num_identities: int, normalized: bool) -> None:
        super().__init__()
        sizes = [channels(image_size, width, r) for r in reversed(resolutions(image_size)[:-1])]
        self.normalized = normalized
        self.stem = nn.Sequential(nn.Conv2d(3, sizes[0], 3, stride=2, padding=1), norm(sizes[0]), nn.SiLU())
        self.blocks = nn.Sequential(*(Residual(i, o) for i, o in pairwise(sizes)))
        self.pool = nn.Sequential(nn.Conv2d(sizes[-1], identity_dim, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten())
        self.head = nn.Linear(identity_dim, num_identities, bias=not normalized)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        f = self.pool(self.blocks(self.stem(x)))
        if not self.normalized:
            return f, self.head(f)
        f = normalize(at_least_float32(f), dim=1)
        return f, exact_linear(f, normalize(self.head.weight, dim=1))

    def inner(self, x: Tensor) -> list[Tensor]:
        """What it sees before it knows who: activations at half, a quarter and an eighth of the size."""
        found = [self.stem(x)]
        for block in (self.blocks[0], self.blocks[1]):
            found.append(block(found[-1]))
        return found


class AttributeEncoder(nn.Module):
    """A: raw pixels, and [B, given_dim] where something is given => mu, logvar [B, attribute_dim] each.

    Beside the convolutions, a linear map of the image at 8x8 pixels: colours and large shapes are learned at once.
    """

    def __init__(self, image_size: int, width: int, attribute_dim: int, given_dim: int = 0) -> None:
        super().__init__()
        sizes = [channels(image_size, width, r) for r in reversed(resolutions(image_size)[:-1])]
        layers: list[nn.Module] = [nn.Conv2d(3, sizes[0], 4, stride=2, padding=1), nn.LeakyReLU(0.2)]
        layers += [nn.Conv2d(sizes[0], sizes[0], 3, padding=1), nn.LeakyReLU(0.2)]
        for i, o in pairwise(sizes):
            layers += [nn.Conv2d(i, o, 4, stride=2, padding=1), norm(o), nn.LeakyReLU(0.2)]
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.head = nn.Linear(sizes[-1] * 16 + given_dim, 2 * attribute_dim)
        self.overview = nn.Sequential(nn.AdaptiveAvgPool2d(8), nn.Flatten(), nn.Linear(3 * 64, 2 * attribute_dim))

    def forward(self, x: Tensor, given: Tensor | None = None) -> tuple[Tensor, Tensor]:
        h = self.body(x)
        h = h if given is None else torch.cat([h, given.to(h.dtype)], dim=1)
        mu, logvar = at_least_float32(self.head(h) + self.overview(x)).chunk(2, dim=1)
        # A variance below exp(-8) or above exp(4) is rounding error or explosion, never information.
        return mu, logvar.clamp(-8, 4)


def sampled(mu: Tensor, logvar: Tensor, noise: Tensor) -> Tensor:
    """z = mu + sigma * noise (the reparameterization of arXiv:1312.6114), [B, d] each."""
    return mu + noise * torch.exp(0.5 * logvar)


class CodeClassifier(nn.Module):
    """Q, ours: z [B, attribute_dim] => class scores [B, identities], logits. It looks for the person in z.

    The adversary of Fader Networks (arXiv:1706.00409) and of domain-adversarial training (arXiv:1505.07818).
    """

    def __init__(self, attribute_dim: int, num_identities: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(attribute_dim, 256), nn.SiLU(), nn.Linear(256, 256), nn.SiLU(), nn.Linear(256, num_identities)
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.body(z)
