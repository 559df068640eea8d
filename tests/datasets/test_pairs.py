"""Batches are functions of (seed, step): the same on any number of processes, never the same twice."""

import numpy as np
import pytest
import torch

from pipeline.datasets.augmentation import attribute_augmentation, identity_augmentation
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.pairs import PairBatches, to_images, to_tensor
from pipeline.datasets.shards import Faces, ShardWriter


@pytest.fixture
def faces(tmp_path):
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path, "faces") as writer:
        for i in range(24):
            image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            writer.add(f"k{i}", image, {"identity": f"p{i // 4}", "split": "train", "attribute_vector": [float(i)]})
        writer.close()
    return Faces(tmp_path)


def pairs(faces, same_pairs="image", seed=0, cross_every=2):
    return PairBatches(faces, faces.of_split("train"), 8, 3, seed, same_pairs, cross_every)


def labelled(faces, augment=None):
    return LabelledBatches(faces, faces.of_split("train"), 8, 0, augment)


def test_pixels_survive_the_way_to_tensors_and_back():
    x = np.arange(256, dtype=np.uint8).repeat(3).reshape(1, 16, 16, 3)
    tensor = to_tensor(x)
    assert tensor.min() == -1
    assert tensor.max() == 1
    np.testing.assert_array_equal(to_images(tensor), x)


def test_even_steps_pair_an_image_with_itself_and_odd_ones_two_images(faces):
    even, odd = pairs(faces)[0], pairs(faces)[1]
    assert even.same
    assert torch.equal(even.x_s, even.x_a)
    assert not odd.same
    assert not torch.equal(odd.x_s, odd.x_a)


def test_one_step_in_so_many_pairs_two_people(faces):
    assert [pairs(faces, cross_every=4)[step].same for step in range(8)] == 2 * [True, True, True, False]


def test_both_people_of_a_pair_are_labelled(faces):
    _, labels = np.unique(faces.column("identity"), return_inverse=True)
    label = {faces.image(i).tobytes(): labels[i] for i in range(24)}
    for step in (0, 1):
        batch = pairs(faces, "person")[step]
        for x, c in ((batch.x_s, batch.c), (batch.x_a, batch.c_a)):
            assert [label[image.tobytes()] for image in to_images(x)] == c.tolist()


def test_same_pairs_may_be_two_images_of_one_person(faces):
    batches = pairs(faces, "person")
    of_image = {faces.image(i).tobytes(): faces.column("identity")[i] for i in range(24)}
    who = [[of_image[image.tobytes()] for image in to_images(x)] for x in (batches[0].x_s, batches[0].x_a)]
    assert who[0] == who[1]
    twins = [a.tobytes() == b.tobytes() for a, b in zip(*map(to_images, batches[0][:2]), strict=True)]
    assert not any(twins)


def test_a_step_is_the_same_whenever_it_is_asked_for(faces):
    first, again = pairs(faces)[7], pairs(faces)[7]
    assert all(torch.equal(a, b) for a, b in zip(first[:5], again[:5], strict=True))


def test_steps_and_seeds_differ(faces):
    noises = [pairs(faces)[0].noise, pairs(faces)[2].noise, pairs(faces, seed=1)[0].noise]
    assert not any(torch.equal(a, b) for i, a in enumerate(noises) for b in noises[:i])


@pytest.mark.parametrize("make", [pairs, labelled])
@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_all_processes_make_the_batch(faces, make, world):
    whole = make(faces)[3]
    shares = [make(faces).share(rank, world)[3] for rank in range(world)]
    for i in range(5 if make is pairs else 3):
        assert torch.equal(torch.cat([share[i] for share in shares]), whole[i])


@pytest.mark.parametrize("make", [identity_augmentation, attribute_augmentation])
def test_augmentation_is_a_function_of_the_step_and_never_repeats(faces, make):
    a, b = (labelled(faces, make(32)) for _ in range(2))
    assert torch.equal(a[0].x, b[0].x)
    assert torch.equal(a[5].x, b[5].x)  # in whatever order the steps are made
    plain = labelled(faces)[0].x
    assert not torch.equal(a[0].x, plain)
    augment, image = make(32), faces.image(0)
    assert len({augment(image, seed).tobytes() for seed in range(40)}) > 12  # some are left as they are


def test_the_shares_are_augmented_as_the_whole_is(faces):
    augment = identity_augmentation(32)
    whole = labelled(faces, augment)[1].x
    parts = [labelled(faces, augment).share(rank, 2)[1].x for rank in range(2)]
    assert torch.equal(torch.cat(parts), whole)


def test_labels_are_those_of_the_images(faces):
    batch = labelled(faces)[0]
    np.testing.assert_array_equal(batch.attributes[:, 0].numpy() // 4, batch.c.numpy())
