"""Real loader workers: no two of them, and no two steps, ever augment from one stream, and they change no batch."""

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from pipeline.datasets.augmentation import identity_augmentation
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.pairs import to_images
from pipeline.datasets.shards import Faces
from tests.datasets.test_pairs import all_at_once, prepared

STEPS = range(3, 15)
AUGMENT = identity_augmentation(32)


def painted(image: np.ndarray, seed: int) -> np.ndarray:
    """An augmentation whose picture shows the stream that it was given."""
    image = np.zeros_like(image)
    image.reshape(-1)[:32] = np.frombuffer(seed.to_bytes(32, "little"), np.uint8)
    return image


def streams(x: torch.Tensor) -> list[int]:
    return [int.from_bytes(image.reshape(-1)[:32].tobytes(), "little") for image in to_images(x)]


@pytest.fixture
def faces(tmp_path):
    return prepared(tmp_path / "mixed", strangers=6)


def one_face_only(faces: Faces, augment=AUGMENT, seed=0) -> LabelledBatches:
    """Whatever differs between its images, augmentation did."""
    return LabelledBatches(faces, faces.of_split("train")[:1], 8, seed, augment)


def loaded(batches, workers, start="fork"):
    context = start if workers else None
    return list(DataLoader(batches, None, sampler=STEPS, num_workers=workers, multiprocessing_context=context))


def test_every_image_of_every_step_has_a_stream_of_its_own_whichever_worker_makes_it(faces):
    shares = [one_face_only(faces, painted).share(rank, 2) for rank in range(2)]
    seeds = [seed for share in shares for batch in loaded(share, 2) for seed in streams(batch.x)]
    assert len(seeds) == 8 * len(STEPS)
    assert len(set(seeds)) == len(seeds)


def test_another_seed_has_other_streams(faces):
    seeds = [seed for own in (0, 1, 2**32) for i in STEPS for seed in streams(one_face_only(faces, painted, own)[i].x)]
    assert len(set(seeds)) == len(seeds) == 3 * 8 * len(STEPS)


def test_an_image_that_comes_again_is_augmented_anew(faces):
    clean = faces.image(0).tobytes()
    steps = [[image.tobytes() for image in to_images(batch.x)] for batch in loaded(one_face_only(faces), 2)]
    changed = [image for step in steps for image in step if image != clean]
    assert len(changed) > 0.7 * 8 * len(STEPS)
    # A change with few choices, as the quality of compression, may come out alike; a stream that repeats doubles all.
    assert len(set(changed)) > 0.95 * len(changed)


@pytest.mark.parametrize(
    ("make", "start"),
    [
        (one_face_only, "fork"),
        (all_at_once, "fork"),
        pytest.param(one_face_only, "spawn", marks=pytest.mark.slow),  # each worker imports torch for itself
    ],
)
def test_workers_change_no_batch(faces, make, start):
    alone, helped = loaded(make(faces), 0), loaded(make(faces), 2, start)
    for a, b in zip(alone, helped, strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True) if isinstance(x, torch.Tensor))


@pytest.mark.parametrize("make", [one_face_only, all_at_once])
def test_two_processes_with_workers_share_the_batches_of_one(faces, make):
    whole = loaded(make(faces), 0)
    parts = [loaded(make(faces).share(rank, 2), 2) for rank in range(2)]
    for batch, first, second in zip(whole, *parts, strict=True):
        for x, a, b in zip(batch, first, second, strict=True):
            assert not isinstance(x, torch.Tensor) or torch.equal(x, torch.cat([a, b]))
