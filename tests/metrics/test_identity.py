"""Whose face it is, on vectors whose cosines can be read off."""

import pytest
import torch
from torch.nn.functional import normalize

from pipeline.metrics.identity import Gallery, IdentityRetrieval, found_first, gallery, retrieve

YES = torch.tensor([True])


@pytest.fixture
def people() -> Gallery:
    """Persons 10, 20, 30 and 40, each a direction of its own."""
    return Gallery(torch.eye(4), torch.tensor([10, 20, 30, 40]))


def person(*names: int) -> torch.Tensor:
    return torch.tensor(names)


def test_a_gallery_holds_the_mean_direction_of_each_person_s_photographs():
    features = torch.tensor([[2.0, 0.0], [0.0, 1.0], [0.0, 5.0]])
    among = gallery(features, person(7, 3, 7))
    assert among.people.tolist() == [3, 7]
    # person 7: the directions (1, 0) and (0, 1), whatever their lengths
    torch.testing.assert_close(among.embeddings, torch.tensor([[0.0, 1.0], [0.5**0.5, 0.5**0.5]]))


def test_a_photograph_of_the_subject_itself_is_ideal(people):
    row = retrieve(3 * people.embeddings, person(10, 20, 30, 40), person(20, 30, 40, 10), YES.expand(4), people)
    assert row.top1.all()
    assert not row.top1_sample.any()
    torch.testing.assert_close(row.cosine_subject, torch.ones(4))
    torch.testing.assert_close(row.cosine_sample, torch.zeros(4))


def test_swapping_subject_and_sample_swaps_what_is_said_of_them(people):
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    row = retrieve(x, person(20), person(10), YES, people)
    swapped = retrieve(x, person(10), person(20), YES, people)
    assert (row.top1, row.top1_sample) == (True, False)
    assert (swapped.top1, swapped.top1_sample) == (False, True)
    assert row.cosine_subject == swapped.cosine_sample == pytest.approx(0.8)
    assert row.cosine_sample == swapped.cosine_subject == pytest.approx(0.6)


def test_unrelated_is_the_mean_over_everyone_but_subject_and_sample(people):
    row = retrieve(torch.tensor([[0.0, 1.0, 2.0, 2.0]]), person(40), person(30), YES, people)
    assert row.cosine_unrelated == pytest.approx((0 + 1 / 3) / 2)


def test_a_tie_is_a_miss(people):
    row = retrieve(torch.tensor([[1.0, 1.0, 0.0, 0.0]]), person(10), person(20), YES, people)
    assert (row.top1, row.top1_sample) == (False, False)


def test_features_that_say_nothing_find_nobody(people):
    subject, sample = person(10, 20, 30, 40), person(20, 30, 40, 10)
    row = retrieve(torch.zeros(4, 4), subject, sample, YES.expand(4), people)
    assert not row.top1.any()
    same = Gallery(torch.ones(4, 4) / 2, people.people)
    assert not found_first(torch.rand(4, 4), subject, YES.expand(4), same).any()


def test_a_face_that_is_not_found_is_a_miss_with_cosine_0_whatever_its_features(people):
    x = torch.tensor([[1.0, 0.0, 0.0, 0.0], [torch.nan] * 4])
    row = retrieve(x, person(10, 10), person(20, 20), torch.tensor([False, False]), people)
    assert not row.top1.any()
    assert not row.top1_sample.any()
    for cosine in row[2:]:
        assert cosine.tolist() == [0, 0]


@pytest.mark.parametrize("size", [1, 3, 64])
def test_the_means_do_not_depend_on_the_batches(people, size):
    x, found = torch.randn(64, 4), torch.rand(64) < 0.9
    subject = torch.randint(0, 4, (64,))
    sample = (subject + torch.randint(1, 4, (64,))) % 4
    subject, sample = people.people[subject], people.people[sample]
    metric = IdentityRetrieval(people)
    for rows in torch.arange(64).split(size):
        metric.update(x[rows], subject[rows], found[rows], sample[rows])
        metric.update(x[rows], subject[rows], found[rows])
    means = metric.compute()
    for name, values in retrieve(x, subject, sample, found, people)._asdict().items():
        assert means[name] == pytest.approx(values.double().mean().item(), abs=1e-6)
    assert means["top1_real"] == found_first(x, subject, found, people).float().mean()


def test_what_was_not_seen_is_not_reported(people):
    metric = IdentityRetrieval(people)
    metric.update(torch.eye(4), people.people, YES.expand(4))
    assert metric.compute() == {"top1_real": 1}


def test_a_query_by_chance_is_found_once_in_as_many_as_there_are_people():
    among = Gallery(normalize(torch.randn(10, 8)), torch.arange(10))
    hits = found_first(torch.randn(4000, 8), torch.randint(0, 10, (4000,)), YES.expand(4000), among)
    assert hits.float().mean() == pytest.approx(0.1, abs=0.02)


@pytest.mark.parametrize(
    ("subject", "sample", "message"),
    [
        (99, 10, r"not in the gallery: \[99\]"),
        (10, 25, r"not in the gallery: \[25\]"),
        (10, 10, "the sample is a photograph of the subject"),
    ],
)
def test_people_it_cannot_compare_are_refused(people, subject, sample, message):
    with pytest.raises(ValueError, match=message):
        retrieve(torch.ones(1, 4), person(subject), person(sample), YES, people)


def test_two_people_leave_nobody_unrelated():
    two = Gallery(torch.eye(2), torch.tensor([1, 2]))
    with pytest.raises(ValueError, match="are 3 people; got 2"):
        retrieve(torch.ones(1, 2), person(1), person(2), YES, two)


def test_rows_that_do_not_match_are_refused(people):
    with pytest.raises(ValueError, match=r"features \(2, 4\) do not match subject \(1,\)"):
        retrieve(torch.ones(2, 4), person(10), person(20), YES, people)


def test_a_found_face_without_finite_features_is_refused(people):
    with pytest.raises(ValueError, match="not finite"):
        retrieve(torch.full((1, 4), torch.nan), person(10), person(20), YES, people)


@pytest.mark.shared
def test_people_are_recognised_in_real_photographs(shared):
    import numpy as np

    features = np.load(shared / "reference" / "face_features.npz")
    neutral, smiling = (torch.from_numpy(features[f"london_{name}"]) for name in ("neutral", "smiling"))
    people = torch.arange(len(neutral))
    among = gallery(neutral, people)
    row = retrieve(smiling, people, people.roll(1), YES.expand(len(people)), among)
    assert row.top1.all()
    assert row.cosine_subject.mean() == pytest.approx(0.912, abs=0.005)
    assert row.cosine_unrelated.mean() == pytest.approx(0.035, abs=0.005)
