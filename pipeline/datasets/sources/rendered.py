"""The embedded source: parametric heads of people that do not exist (see `heads`)."""

import multiprocessing
from collections.abc import Callable, Mapping
from functools import partial

import cv2
import numpy as np

from pipeline.datasets import heads
from pipeline.datasets.photographs.detection import Detector
from pipeline.datasets.faces import SPLITS, Face, Source
from pipeline.params import Data


def open_source(data: Data, detector: Callable[[], Detector], workers: int) -> Source:
    """The heads that params ask for; nothing has to be detected."""
    r = data.rendered
    return rendered(r.people.model_dump(), r.images_per_person.model_dump(), data.image_size, data.seed, workers)


def rendered(
    people: Mapping[str, int], images_per_person: Mapping[str, int], image_size: int, seed: int, workers: int
) -> Source:
    """Yield every face of every split, in order.

    A person follows from (seed, split, number) alone, so more people or more workers change nobody.

    Args:
        people: how many in each split.
        images_per_person: how many pictures of each.
        image_size: side of the square, in pixels.
        seed: another seed is another population.
        workers: processes that render; 0 or 1: this one.
    """
    tasks = [(split, n, images_per_person[split]) for split in SPLITS for n in range(people[split])]
    portray = partial(_portraits, image_size=image_size, seed=seed)
    if workers < 2:
        for task in tasks:
            yield from portray(task)
        return
    # Not fork: the parent may hold threads (W&B's, OpenCV's) that a fork would lose mid-step.
    with multiprocessing.get_context("spawn").Pool(workers) as pool:
        for faces in pool.imap(portray, tasks, chunksize=4):
            yield from faces


def _portraits(task: tuple[str, int, int], image_size: int, seed: int) -> list[Face]:
    split, number, images = task
    cv2.setNumThreads(1)
    rng = np.random.default_rng([seed, SPLITS.index(split), number])
    identity = heads.sample_identity(rng)
    name = f"{split}{number:05d}"
    faces = []
    for _ in range(images):
        attributes = heads.sample_attributes(rng)
        image, landmarks = heads.render(identity, attributes, image_size)
        faces.append(Face(image, name, split, "rendered", landmarks, identity, attributes))
    return faces
