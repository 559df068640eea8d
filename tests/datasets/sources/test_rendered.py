"""The embedded source: the same people whatever the number of workers or of other people."""

import numpy as np

from pipeline.datasets.sources.rendered import rendered

PEOPLE = {"train": 3, "judge": 2, "val": 2, "test": 2}
IMAGES = {"train": 3, "judge": 2, "val": 2, "test": 2}


def faces(people=PEOPLE, workers=1, seed=0):
    return list(rendered(people, IMAGES, 32, seed, workers))


def same(a, b):
    return a.identity == b.identity and np.array_equal(a.image, b.image) and np.array_equal(a.landmarks, b.landmarks)


def test_every_split_has_its_people_and_images():
    made = faces()
    assert len(made) == 9 + 4 + 4 + 4
    assert {f.split for f in made if f.identity.startswith("test")} == {"test"}
    assert len({f.identity for f in made}) == 9


def test_two_workers_make_the_same_bytes():
    assert all(same(a, b) for a, b in zip(faces(), faces(workers=2), strict=True))


def test_more_people_change_nobody():
    more = {f"{f.identity}{i}": f for i, f in enumerate(faces({**PEOPLE, "train": 3, "test": 5}))}
    assert all(same(f, more[f"{f.identity}{i}"]) for i, f in enumerate(faces()))


def test_another_seed_is_another_population():
    vectors = [np.stack([f.identity_vector for f in faces(seed=seed)]) for seed in (0, 1)]
    assert not np.isclose(vectors[0], vectors[1]).all(axis=1).any()


def test_no_two_people_are_alike_and_a_person_stays_the_same():
    made = faces()
    people = {f.identity: f.identity_vector for f in made}
    assert len({v.tobytes() for v in people.values()}) == len(people)
    assert all(np.array_equal(f.identity_vector, people[f.identity]) for f in made)
    assert len({f.attribute_vector.tobytes() for f in made}) == len(made)
