"""The embedded source: the same people whoever renders them, in whatever order."""

import numpy as np

from pipeline.datasets.faces import Head
from pipeline.datasets.heads import sample_attributes, sample_identity
from pipeline.datasets.sources.rendered import listing, portray
from pipeline.params import load_params
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml").data
PEOPLE = {"train": 3, "judge": 2, "val": 3, "test": 3}


def heads(people=PEOPLE, seed=0, unlabelled=0):
    counts = {"people": people, "images_per_person": {**PEOPLE, "train": 2}, "unlabelled": unlabelled}
    rendered = PARAMS.rendered.model_validate(counts)
    listed = list(listing(PARAMS.model_copy(update={"rendered": rendered, "seed": seed})))
    assert all(isinstance(head, Head) for head in listed)
    return listed


def portraits(listed):
    return {head.name: portray(head, 32) for head in listed}


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


def test_every_split_has_its_people_and_pictures():
    listed = heads()
    assert [sum(h.split == s for h in listed) for s in PEOPLE] == [6, 4, 9, 9]
    assert len({h.identity for h in listed}) == 11
    assert len({h.name for h in listed}) == len(listed)


def test_a_picture_does_not_depend_on_what_was_rendered_before_it():
    listed = heads()
    forward, backward = portraits(listed), portraits(listed[::-1])
    assert all(same(forward[name], backward[name]) for name in forward)


def test_more_people_change_nobody():
    few, many = portraits(heads()), portraits(heads({**PEOPLE, "train": 4, "test": 5}))
    assert len(many) > len(few)
    assert all(same(few[name], many[name]) for name in few)


def test_a_persons_numbers_follow_from_seed_split_and_number():
    for h in heads(seed=3):
        rng = np.random.default_rng([3, ("train", "judge", "val", "test").index(h.split), h.number])
        drawn = sample_identity(rng), [sample_attributes(rng) for _ in range(h.picture + 1)][-1]
        assert same(portray(h, 32)[2:], drawn)


def test_nobody_knows_the_unlabelled_and_each_is_another_person():
    listed = heads(unlabelled=6)
    unlabelled = [h for h in listed if h.split == "unlabelled"]
    assert [h.identity for h in unlabelled] == [None] * 6
    assert len({h.name for h in listed}) == len(listed)
    people = {p[2].tobytes() for p in portraits(unlabelled).values()}
    assert len(people) == 6
    assert not people & {p[2].tobytes() for p in portraits(heads()).values()}


def test_unlabelled_heads_change_nothing_of_the_others():
    without, beside = portraits(heads()), portraits(heads(unlabelled=6))
    assert list(beside)[: len(without)] == list(without)
    assert all(same(without[name], beside[name]) for name in without)


def test_another_seed_is_another_population():
    vectors = [np.stack([p[2] for p in portraits(heads(seed=seed)).values()]) for seed in (0, 1)]
    assert not np.isclose(vectors[0], vectors[1]).all(axis=1).any()


def test_no_two_people_are_alike_and_a_person_stays_the_same():
    listed = heads()
    made = portraits(listed)
    people = {h.identity: made[h.name][2] for h in listed}
    assert len({v.tobytes() for v in people.values()}) == len(people)
    assert all(np.array_equal(made[h.name][2], people[h.identity]) for h in listed)
    assert len({made[h.name][3].tobytes() for h in listed}) == len(listed)
