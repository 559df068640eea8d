"""The networks of IP-GAN, apart from how they learn: to use them takes no trainer, which takes seconds to import."""

from typing import Any

from pipeline.methods.recogniser import recogniser
from pipeline.networks import AttributeEncoder, CodeClassifier, Discriminator, Generator
from pipeline.params import Model


def networks(model: Model, image_size: int, num_identities: int) -> dict[str, Any]:
    """Fresh networks by name: the one place that turns params into networks, for training and loading alike."""
    m = model
    return {
        "identity": recogniser(model, image_size, num_identities),
        "classifier": recogniser(model, image_size, num_identities),
        "discriminator": Discriminator(image_size, m.width),
        "code_classifier": CodeClassifier(m.attribute_dim, num_identities),
        "attributes": AttributeEncoder(image_size, m.width, m.attribute_dim),
        "generator": Generator(image_size, m.width, m.identity_dim, m.attribute_dim, m.style_dim, m.injection),
    }
