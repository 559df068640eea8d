"""Directions of codes that are straight lines of known numbers: what is found has to be those lines."""

import numpy as np
import pytest

from pipeline.applications.directions import Directions, features, fits, values
from pipeline.datasets.heads import Dimension

KNOWN = (
    Dimension("turn", "continuous", -45.0, 45.0, "degrees"),
    Dimension("hue", "circular", 0.0, 360.0, "degrees"),
    Dimension("glasses", "binary", 0.0, 1.0, "worn or not"),
)
COUNT, SIZE = 400, 12
RNG = np.random.default_rng(0)
VECTORS = np.stack(
    [RNG.uniform(-45, 45, COUNT), RNG.uniform(0, 360, COUNT), (RNG.uniform(size=COUNT) < 0.3).astype(float)], 1
)
LINES = RNG.standard_normal((4, SIZE)) / np.array([45, 1, 1, 1])[:, None]
PERSON = np.arange(COUNT) // 4


def codes(vectors):
    return np.concatenate([features(d, vectors[:, i]) for i, d in enumerate(KNOWN)], 1) @ LINES + 0.5


@pytest.fixture(scope="module")
def found():
    return Directions.fit(codes(VECTORS), VECTORS, KNOWN, PERSON)


def test_an_angle_goes_around():
    hue = KNOWN[1]
    np.testing.assert_allclose(values(hue, features(hue, np.array([0.0, 90.0, 350.0, 370.0]))), [0, 90, 350, 10])


@pytest.mark.parametrize(("name", "then"), [("turn", 20.0), ("hue", 300.0), ("glasses", 1.0)])
def test_a_code_goes_where_the_code_of_the_changed_head_is(found, name, then):
    place = [d.name for d in KNOWN].index(name)
    before = VECTORS[:8]
    after = before.copy()
    after[:, place] = then
    moved = found.moved(codes(before), KNOWN, name, found.read(codes(before), KNOWN, name), after[:, place])
    np.testing.assert_allclose(moved, codes(after), atol=0.02)
    assert np.abs(codes(before) - codes(after)).max() > 0.1


def test_what_a_code_says_is_read_from_it(found):
    np.testing.assert_allclose(found.read(codes(VECTORS), KNOWN, "turn"), VECTORS[:, 0], atol=0.1)
    np.testing.assert_allclose(found.clarity, 1, atol=1e-3)


def test_what_stands_in_no_code_is_told_by_none():
    code = codes(VECTORS)
    strangers = Directions.fit(code, np.random.default_rng(1).permutation(VECTORS), KNOWN, PERSON)
    assert (np.abs(strangers.clarity) < 0.1).all()


def test_a_direction_leaves_alone_what_goes_along_with_a_number_by_chance_of_the_people():
    """Half of those who are turned wear glasses: to turn a head puts none on it."""
    vectors = VECTORS.copy()
    vectors[:, 2] = (vectors[:, 0] > 10) & (np.arange(COUNT) % 2 == 0)
    lines = Directions.fit(codes(vectors), vectors, KNOWN, PERSON)
    turned = lines.moved(codes(vectors), KNOWN, "turn", vectors[:, 0], vectors[:, 0] + 10)
    np.testing.assert_allclose(lines.read(turned, KNOWN, "glasses"), vectors[:, 2], atol=0.02)


def test_codes_of_one_length_keep_it_and_others_go_straight(found):
    assert found.length[0] == 0
    round_codes = codes(VECTORS) / np.linalg.norm(codes(VECTORS), axis=1, keepdims=True) * 7
    sphere = Directions.fit(round_codes, VECTORS, KNOWN, PERSON)
    moved = sphere.moved(round_codes, KNOWN, "turn", VECTORS[:, 0], VECTORS[:, 0] + 30)
    np.testing.assert_allclose(np.linalg.norm(moved, axis=1), 7)
    assert np.abs(moved - round_codes).max() > 0.1


def test_arrays_of_other_numbers_or_sizes_do_not_fit(found):
    assert fits(found._asdict(), KNOWN, SIZE)
    assert not fits(found._asdict(), KNOWN, SIZE + 1)
    assert not fits(found._asdict(), KNOWN[:2], SIZE)
    assert not fits({}, KNOWN, SIZE)
