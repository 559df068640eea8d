"""The networks of CVAE-GAN, apart from how they learn: to use them takes no trainer, which takes seconds to import."""

from typing import Any

from pipeline.methods.recogniser import recogniser
from pipeline.networks import ClassEncoder, ClassGenerator, Discriminator
from pipeline.params import Model


def networks(model: Model, image_size: int, num_identities: int) -> dict[str, Any]:
    """Fresh networks by name: the one place that turns params into networks, for training and loading alike."""
    m = model
    given = (num_identities, m.identity_dim)
    return {
        "classifier": recogniser(model, image_size, num_identities),
        "discriminator": Discriminator(image_size, m.width),
        "generator": ClassGenerator(*given, image_size, m.width, m.attribute_dim, m.style_dim, m.injection),
        "encoder": ClassEncoder(*given, image_size, m.width, m.attribute_dim),
    }
