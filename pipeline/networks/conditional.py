"""E and G of CVAE-GAN: the encoder and the generator of faces, told the person's number instead of f_I."""

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pipeline.networks.encoders import AttributeEncoder
from pipeline.networks.generator import Generator


class ClassEncoder(nn.Module):
    """E: raw pixels, c [B] => mu, logvar [B, attribute_dim] each; c enters before the last layer."""

    def __init__(self, num_identities: int, identity_dim: int, image_size: int, width: int, attribute_dim: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_identities, identity_dim)
        self.encoder = AttributeEncoder(image_size, width, attribute_dim, identity_dim)

    def forward(self, x: Tensor, c: Tensor) -> tuple[Tensor, Tensor]:
        return self.encoder(x, self.embedding(c))


class ClassGenerator(nn.Module):
    """G: z [B, attribute_dim], c [B] => raw pixels in [-1, 1]; a vector a person stands where f_I does in IP-GAN."""

    def __init__(
        self,
        num_identities: int,
        identity_dim: int,
        image_size: int,
        width: int,
        attribute_dim: int,
        style_dim: int,
        injection: Literal["modulation", "concatenation"],
    ) -> None:
        super().__init__()
        self.embedding = nn.Embedding(num_identities, identity_dim)
        self.z_dim = attribute_dim
        self.generator = Generator(image_size, width, identity_dim, attribute_dim, style_dim, injection)

    def forward(self, z: Tensor, c: Tensor) -> Tensor:
        return self.generator(self.embedding(c), z)


@torch.no_grad()
def begin_with(embedding: nn.Embedding, vectors: Tensor) -> None:
    """Have it start from these, [people, identity_dim], as long as random ones, so that a step turns them as far."""
    embedding.weight.copy_(normalize(vectors, dim=1) * embedding.embedding_dim**0.5)
