"""Small prepared folders for the commands that use a model."""

import numpy as np

from pipeline import paths
from pipeline.datasets import heads
from pipeline.datasets.shards import ShardWriter

SIZE = 32


def prepare_heads(top, people, each, seed=0, **scene):
    """`data/faces` with rendered heads: people of each split by name, `each` images of everyone.

    Args:
        people: split -> how many.
        scene: attributes that are the same everywhere.
    """
    rng = np.random.default_rng(seed)
    place = [d.name for d in heads.ATTRIBUTES]
    with ShardWriter(top / paths.FACES, "faces") as writer:
        for split, count in people.items():
            for person in range(count):
                identity = heads.sample_identity(rng)
                for number in range(each):
                    attributes = heads.sample_attributes(rng)
                    for name, value in scene.items():
                        attributes[place.index(name)] = value
                    row = {
                        "identity": f"{split}/{person}", "split": split, "yaw": float(attributes[0]),
                        "identity_vector": identity.tolist(), "attribute_vector": attributes.tolist(),
                    }  # fmt: skip
                    image = heads.render(identity, attributes, SIZE).image
                    writer.add(f"{split}{person:03d}{number:03d}", image, row)
        writer.close()


def prepare_images(top, images, **columns):
    """`data/faces` with these images, uint8 [B, S, S, 3], and these columns beside them."""
    with ShardWriter(top / paths.FACES, "faces") as writer:
        for n, image in enumerate(images):
            writer.add(f"{n:06d}", image, {name: values[n] for name, values in columns.items()})
        writer.close()
