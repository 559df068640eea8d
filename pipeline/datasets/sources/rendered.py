"""The embedded source: parametric heads of people that do not exist (see `heads`)."""

from functools import lru_cache

import numpy as np

from pipeline.datasets import heads
from pipeline.datasets.faces import Head, Listing
from pipeline.datasets.splits import SPLITS, UNLABELLED
from pipeline.params import Data


def listing(data: Data) -> Listing:
    """Every picture of every person of every split, then one of each person without a name.

    A person follows from (seed, split, number) alone.
    """
    people, pictures = data.rendered.people.model_dump(), data.rendered.images_per_person.model_dump()
    for split in SPLITS:
        for number in range(people[split]):
            identity = f"rendered/{split}{number:05d}"
            for picture in range(pictures[split]):
                yield Head(f"{identity}/{picture:04d}", identity, split, data.seed, number, picture)
    for number in range(data.rendered.unlabelled):
        yield Head(f"rendered/{UNLABELLED}/{number:05d}", None, UNLABELLED, data.seed, number, 0)


def portray(head: Head, image_size: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Render one: image, landmarks, identity vector, attribute vector (as `heads` has them)."""
    identity, attributes = _drawn(head.seed, head.split, head.number, head.picture)
    image, landmarks = heads.render(identity, attributes, image_size)
    return image, landmarks, identity, attributes


@lru_cache(maxsize=1)
def _drawing(seed: int, split: str, number: int) -> tuple[np.random.Generator, np.ndarray, list[np.ndarray]]:
    """A person's random numbers: the generator, who they are, and the attributes drawn so far."""
    rng = np.random.default_rng([seed, (*SPLITS, UNLABELLED).index(split), number])
    return rng, heads.sample_identity(rng), []


def _drawn(seed: int, split: str, number: int, picture: int) -> tuple[np.ndarray, np.ndarray]:
    """Who the person is and how one of their pictures shows them."""
    rng, identity, attributes = _drawing(seed, split, number)
    while len(attributes) <= picture:
        attributes.append(heads.sample_attributes(rng))
    return identity, attributes[picture]
