"""Batches are functions of (seed, step): the same on any number of processes, never the same twice."""

import numpy as np
import pytest
import torch

from pipeline.datasets.augmentation import attribute_augmentation, identity_augmentation
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.pairs import PairBatches, to_images, to_tensor
from pipeline.datasets.sampled import SampledBatches
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.errors import UserError
from pipeline.methods import ipgan
from pipeline.params import load_params
from tests.conftest import ROOT


def prepared(folder, strangers=0):
    """Four images of each of six people, and some of nobody in particular, all different and none its own mirror."""
    rng = np.random.default_rng(0)
    with ShardWriter(folder, "faces") as writer:
        for i in range(24 + strangers):
            image = rng.integers(0, 256, (32, 32, 3), dtype=np.uint8)
            who = {"identity": f"p{i // 4}", "split": "train"} if i < 24 else {"identity": None, "split": "unlabelled"}
            writer.add(f"k{i}", image, {**who, "attribute_vector": [float(i)]})
        writer.close()
    return Faces(folder)


@pytest.fixture
def faces(tmp_path):
    return prepared(tmp_path / "known")


@pytest.fixture
def mixed(tmp_path):
    return prepared(tmp_path / "mixed", strangers=6)


def pairs(faces, seed=0, cross_every=2, unlabelled=0.0, flip=False):
    return PairBatches(faces, faces.of_split("train"), 8, 3, seed, cross_every, unlabelled, flip)


def all_at_once(faces):
    return pairs(faces, unlabelled=0.4, flip=True)


def test_a_place_leads_to_the_image_that_it_stands_for(mixed):
    how = (mixed, mixed.of_split("train"), 8, 3, 0, 2, 0.4, False)
    images, places = PairBatches(*how), PairBatches(*how, places=True)
    everyone = torch.cat(list(places.in_order(len(places.labels), 7)))
    assert len(everyone) == 30
    for step in range(4):
        x_s, (nothing, *rest) = images[step].x_s, places[step]
        assert nothing is None
        assert torch.equal(everyone[places[step].s], x_s)
        assert all(
            torch.equal(torch.as_tensor(a), torch.as_tensor(b))
            for a, b in zip(rest, images[step][1:], strict=True)
            if a is not None or b is not None  # the landmarks, which nobody knows here
        )


def test_a_mirrored_image_has_no_place(faces):
    with pytest.raises(ValueError, match="mirrored"):
        PairBatches(faces, faces.of_split("train"), 8, 3, 0, 2, 0.0, flip=True, places=True)


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
        batch = pairs(faces)[step]
        for x, c in ((batch.x_s, batch.c), (batch.x_a, batch.c_a)):
            assert [label[image.tobytes()] for image in to_images(x)] == c.tolist()


def test_in_a_pair_of_one_person_the_sample_is_the_subjects_photograph(faces):
    batch = pairs(faces)[0]
    assert batch.same
    assert torch.equal(batch.x_s, batch.x_a)
    assert torch.equal(batch.c, batch.c_a)


def test_a_step_is_the_same_whenever_it_is_asked_for(faces):
    first, again = pairs(faces)[7], pairs(faces)[7]
    assert all(torch.equal(a, b) for a, b in zip(first[:5], again[:5], strict=True))


def test_steps_and_seeds_differ(faces):
    noises = [pairs(faces)[0].noise, pairs(faces)[2].noise, pairs(faces, seed=1)[0].noise]
    assert not any(torch.equal(a, b) for i, a in enumerate(noises) for b in noises[:i])


def drawn(faces):
    return SampledBatches(faces, faces.of_split("train"), 8, 0, 3)


@pytest.mark.parametrize("make", [pairs, all_at_once, labelled, drawn])
@pytest.mark.parametrize("world", [2, 4])
def test_the_shares_of_all_processes_make_the_batch(mixed, make, world):
    for step in (2, 3):
        whole = make(mixed)[step]
        shares = [make(mixed).share(rank, world)[step] for rank in range(world)]
        for i in range({labelled: 3, drawn: 4}.get(make, 5)):
            assert torch.equal(torch.cat([share[i] for share in shares]), whole[i])


def shown(faces, x):
    """Which row of the index each image is, and whether it is mirrored."""
    known = {}
    for row in range(len(faces)):
        image = faces.image(row)
        known |= {image.tobytes(): (row, False), image[:, ::-1].tobytes(): (row, True)}
    rows, mirrored = zip(*(known[image.tobytes()] for image in to_images(x)), strict=True)
    return np.array(rows), np.array(mirrored)


def test_without_strangers_and_mirrors_the_draws_are_those_of_seed_and_step(mixed):
    for step in (0, 1):
        rng = np.random.default_rng([7, step])
        batch, s = pairs(mixed, seed=7)[step], rng.integers(24, size=8)
        a = s if batch.same else rng.integers(24, size=8)
        assert [shown(mixed, x)[0].tolist() for x in batch[:2]] == [s.tolist(), a.tolist()]
        np.testing.assert_array_equal(batch.noise, rng.standard_normal((8, 3), dtype=np.float32))


def test_strangers_and_mirrors_move_no_other_draw(mixed):
    for step in range(6):
        plain, other = pairs(mixed)[step], all_at_once(mixed)[step]
        assert torch.equal(plain.noise, other.noise)
        for before, after in zip(plain[:2], other[:2], strict=True):
            rows, kept = shown(mixed, after)[0], shown(mixed, before)[0]
            assert (rows[rows < 24] == kept[rows < 24]).all()


def test_an_unlabelled_face_has_no_label_and_the_others_keep_theirs(mixed):
    known, plain = pairs(mixed, unlabelled=0.5), pairs(mixed)
    assert known.names.tolist() == plain.names.tolist() == [f"p{i}" for i in range(6)]
    for step in range(6):
        batch = known[step]
        for x, c in ((batch.x_s, batch.c), (batch.x_a, batch.c_a)):
            rows = shown(mixed, x)[0]
            assert c.tolist() == np.where(rows < 24, rows // 4, -1).tolist()


def test_in_a_pair_of_one_person_an_unlabelled_face_is_paired_with_itself(mixed):
    for step in range(0, 12, 2):
        batch = pairs(mixed, unlabelled=0.5)[step]
        assert batch.same
        assert torch.equal(batch.x_s, batch.x_a)
        assert torch.equal(batch.c, batch.c_a)


def test_in_a_pair_of_two_either_may_be_unlabelled_and_the_share_is_as_asked_for(mixed):
    batches = pairs(mixed, unlabelled=0.25)
    unknown = np.array([(batch.c < 0, batch.c_a < 0) for batch in (batches[step] for step in range(1, 400, 2))])
    s, a = unknown.transpose(1, 0, 2).reshape(2, -1)
    assert len(s) == 1600
    assert s.mean() == pytest.approx(0.25, abs=0.04)
    assert a.mean() == pytest.approx(0.25, abs=0.04)
    assert (s & a).mean() == pytest.approx(0.25**2, abs=0.02)


def test_every_unlabelled_face_is_drawn(mixed):
    batches = pairs(mixed, unlabelled=0.5)
    drawn = np.concatenate([shown(mixed, batches[step].x_a)[0] for step in range(20)])
    assert set(drawn[drawn >= 24].tolist()) == set(range(24, 30))


def test_unlabelled_faces_that_are_not_there_are_missed_in_a_sentence(faces):
    with pytest.raises(UserError, match=r"train.unlabelled is above 0, and .*known has no unlabelled face: add some"):
        pairs(faces, unlabelled=0.1)


def test_the_method_misses_them_in_the_same_sentence(faces):
    params = load_params(ROOT / "params.yaml")
    with pytest.raises(UserError, match=r"train.unlabelled is above 0, and .*known has no unlabelled face: add some"):
        ipgan.batches(faces, params.model, params.train.model_copy(update={"unlabelled": 0.1}))


def test_landmarks_are_those_of_the_sample_as_it_is_drawn(tmp_path):
    """A pixel that is marked in each image lies where the left eye is said to be, mirrored or not."""
    rng = np.random.default_rng(0)
    with ShardWriter(tmp_path, "faces") as writer:
        for i in range(12):
            image = np.zeros((32, 32, 3), np.uint8)
            points = np.stack([rng.permutation(32)[:5], rng.permutation(32)[:5]], 1)
            for level, (x, y) in zip((50, 100, 150, 200, 250), points, strict=True):
                image[y, x] = level
            row = {"identity": f"p{i // 4}", "split": "train", "landmarks": points.ravel().astype(float).tolist()}
            writer.add(f"k{i}", image, row)
        writer.close()
    batches = pairs(Faces(tmp_path), flip=True)
    mirrored = 0
    for step in range(6):
        batch = batches[step]
        assert batch.landmarks.dtype == torch.float32
        for x, points in zip(to_images(batch.x_a), batch.landmarks.numpy(), strict=True):
            places = np.round((points + 1) * 16 - 0.5).astype(int)
            levels = [int(x[v, u, 0]) for u, v in places]
            assert levels in ([50, 100, 150, 200, 250], [100, 50, 150, 250, 200])
            mirrored += levels[0] == 100
    assert 0 < mirrored < 48
    assert pairs(prepared(tmp_path / "unknown"))[0].landmarks is None


def test_a_pair_of_one_person_is_mirrored_as_a_whole_and_one_of_two_each_on_its_own(mixed):
    batches = pairs(mixed, flip=True)
    same, cross = (
        np.array([[shown(mixed, x)[1] for x in batches[step][:2]] for step in range(first, 80, 2)]) for first in (0, 1)
    )
    assert (same[:, 0] == same[:, 1]).all()
    assert (cross[:, 0] == cross[:, 1]).mean() == pytest.approx(0.5, abs=0.1)
    for mirrored in (same[:, 0], cross[:, 0], cross[:, 1]):
        assert mirrored.mean() == pytest.approx(0.5, abs=0.1)


DEGRADED_NEVER = 0.6 * 0.8 * 0.8  # neither blurred nor compressed nor occluded


@pytest.mark.parametrize(
    ("make", "untouched"),
    [(identity_augmentation, 0.5 * 0.3 * 0.5 * DEGRADED_NEVER), (attribute_augmentation, DEGRADED_NEVER)],
)
def test_each_change_is_drawn_on_its_own(faces, make, untouched):
    """Of one stream for all, those who are changed least often would be changed in every way at once."""
    augment, image = make(32), faces.image(0)
    same = [np.array_equal(augment(image, seed), image) for seed in range(1000)]
    assert np.mean(same) == pytest.approx(untouched, abs=4 * (untouched * (1 - untouched) / 1000) ** 0.5)


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


def test_attributes_are_known_though_those_of_an_unlabelled_photograph_are_not(tmp_path):
    with ShardWriter(tmp_path, "faces") as writer:
        for i in range(3):
            image = np.full((32, 32, 3), i, np.uint8)
            known = {"identity": f"p{i}", "split": "train", "attribute_vector": [float(i)]}
            writer.add(f"k{i}", image, known if i < 2 else {"identity": None, "split": "unlabelled"})
        writer.close()
    batch = labelled(Faces(tmp_path))[0]
    np.testing.assert_array_equal(batch.attributes[:, 0].numpy(), batch.c.numpy())


def test_labels_are_those_of_the_images(faces):
    batch = labelled(faces)[0]
    np.testing.assert_array_equal(batch.attributes[:, 0].numpy() // 4, batch.c.numpy())
