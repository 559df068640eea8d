"""Copies: what is one, which of two stays, and that no pair is missed."""

import subprocess
import sys
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.datasets.building import components
from pipeline.datasets.building.duplicates import (
    COPY_ACROSS_PEOPLE,
    COPY_ACROSS_SPLITS,
    COPY_OF_OWN,
    KEPT,
    find_copies,
)
from pipeline.datasets.splits import PROTECTED, UNLABELLED

TEST, VAL, TRAIN, NOBODY = (PROTECTED.index(split) for split in ("test", "val", "train", UNLABELLED))


def far_apart(count: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 32), dtype=np.uint8)


def flipped(one: np.ndarray, bits: int, seed: int = 0) -> np.ndarray:
    """A hash that differs in so many bits, each in another word as far as there are words: the hardest to find."""
    rng = np.random.default_rng(seed)
    other = np.unpackbits(one).reshape(16, 16)
    first = rng.integers(16, size=16)
    for number, word in enumerate(np.resize(rng.permutation(16), bits)):
        other[word, (first[word] + number // 16) % 16] ^= 1
    return np.packbits(other)


ONE, TWO, THREE = far_apart(3)


def verdicts(rows: list[tuple], near_bits: int = 14) -> list[tuple[int, int, bool]]:
    """Of rows (hash, content, person, protection); a hash of None is that of a rendered head."""
    hashes = np.array([np.zeros(32, np.uint8) if row[0] is None else row[0] for row in rows])
    content, person, protection = zip(*(row[1:] for row in rows), strict=True)
    return as_rows(
        find_copies(
            hashes,
            np.array([row[0] is not None for row in rows]),
            np.array(content, np.uint64),
            np.array(person, np.int32),
            np.array(protection, np.uint8),
            near_bits,
        )
    )


def as_rows(found) -> list[tuple[int, int, bool]]:
    return list(zip(found.verdict.tolist(), found.partner.tolist(), found.exact.tolist(), strict=True))


def compared_one_by_one(hashes, hashed, content, person, protection, near_bits) -> list[tuple[int, int, bool]]:
    """The rules as they are said, every image with every other."""
    every = range(len(hashed))

    def file(i, j):
        return bool(content[i] == content[j] != 0)

    def copy(i, j):
        near = int(np.bitwise_count(hashes[i] ^ hashes[j]).sum()) <= near_bits
        return i != j and bool(hashed[i] and hashed[j]) and near_bits >= 0 and (near or file(i, j))

    rows = [(KEPT, -1, False)] * len(hashed)
    for i in every:
        better = [(protection[j], j) for j in every if protection[j] < protection[i] and copy(i, j)]
        if better:
            rows[i] = (COPY_ACROSS_SPLITS, min(better)[1], file(i, min(better)[1]))
    for i in every:
        if rows[i][0] == KEPT:
            own = [j for j in range(i) if rows[j][0] == KEPT and person[j] == person[i] and copy(i, j)]
            if own:
                rows[i] = (COPY_OF_OWN, own[0], file(i, own[0]))
    kept = [i for i in every if rows[i][0] == KEPT]
    for i in kept:
        others = [j for j in kept if person[j] != person[i] and protection[j] == protection[i] and copy(i, j)]
        if others:
            rows[i] = (COPY_ACROSS_PEOPLE, others[0], file(i, others[0]))
    return rows


def planted(rng: np.random.Generator, images: int, originals: int, most: int) -> tuple[np.ndarray, ...]:
    """Images around a few originals, up to `most` bits away from them, with everything else at random."""
    hashes = rng.integers(0, 256, (originals, 32), dtype=np.uint8)[rng.integers(originals, size=images)]
    hashes = np.stack([flipped(one, int(rng.integers(most + 1)), int(rng.integers(9))) for one in hashes])
    hashed = rng.random(images) < 0.9
    content = np.where(hashed, rng.integers(0, max(2, images), images), 0).astype(np.uint64)
    person = rng.integers(-1, 3, images).astype(np.int32)
    return hashes, hashed, content, person, rng.integers(0, 5, images).astype(np.uint8)


@settings(derandomize=True, deadline=None, max_examples=150)
@given(
    seed=st.integers(0, 2**32 - 1),
    images=st.integers(1, 40),
    originals=st.integers(1, 12),
    most=st.integers(0, 24),
    near_bits=st.integers(-1, 14),
)
def test_every_verdict_is_that_of_comparing_all_with_all(seed, images, originals, most, near_bits):
    data = planted(np.random.default_rng(seed), images, originals, most)
    assert as_rows(find_copies(*data, near_bits)) == compared_one_by_one(*data, near_bits)


@pytest.mark.parametrize("chunk", [1, 2, 3, 7, 100])
def test_it_does_not_matter_how_much_is_done_at_a_time(chunk, monkeypatch):
    rng = np.random.default_rng(chunk)
    cases = [planted(rng, 60, originals, 12) for originals in (1, 3, 20)]
    expected = [as_rows(find_copies(*data, 14)) for data in cases]
    monkeypatch.setattr(components, "_CHUNK", chunk)
    assert [as_rows(find_copies(*data, 14)) for data in cases] == expected


@pytest.mark.parametrize("near_bits", range(1, 15))
def test_the_pairs_of_words_leave_no_place_for_that_many_errors(near_bits):
    pairs = [{one, other} for one, other in components._word_pairs(near_bits)]
    for wrong in combinations(range(16), near_bits):
        right = set(range(16)) - set(wrong)
        assert any(pair <= right for pair in pairs)


@pytest.mark.parametrize("near_bits", range(15))
def test_so_many_bits_are_a_copy_and_one_more_is_none(near_bits):
    for seed in range(20):
        rows = [(ONE, 1, 0, TRAIN), (flipped(ONE, near_bits, seed), 2, 0, TRAIN)]
        assert verdicts(rows, near_bits)[1] == (COPY_OF_OWN, 0, False)
        rows = [(ONE, 1, 0, TRAIN), (flipped(ONE, near_bits + 1, seed), 2, 0, TRAIN)]
        assert verdicts(rows, near_bits)[1] == (KEPT, -1, False)


@pytest.mark.parametrize("near_bits", [-2, 15])
def test_what_could_not_be_found_is_refused(near_bits):
    with pytest.raises(ValueError, match=f"got {near_bits}"):
        verdicts([(ONE, 1, 0, TRAIN)], near_bits)


def test_no_images_have_no_copies():
    empty = (np.zeros((0, 32), np.uint8), np.zeros(0, bool), np.zeros(0, np.uint64))
    found = find_copies(*empty, np.zeros(0, np.int32), np.zeros(0, np.uint8), 14)
    assert as_rows(found) == []
    assert [column.dtype for column in found] == [np.uint8, np.int32, bool]


def test_turned_off_nothing_is_a_copy():
    assert verdicts([(ONE, 1, 0, TRAIN)] * 3, near_bits=-1) == [(KEPT, -1, False)] * 3


def test_the_first_photograph_of_a_person_stays():
    rows = [(TWO, 1, 0, TRAIN), (ONE, 2, 0, TRAIN), (flipped(ONE, 3), 3, 0, TRAIN), (ONE, 2, 0, TRAIN)]
    assert verdicts(rows) == [(KEPT, -1, False), (KEPT, -1, False), (COPY_OF_OWN, 1, False), (COPY_OF_OWN, 1, True)]


def test_a_copy_of_a_copy_that_went_stays():
    middle, end = flipped(ONE, 14), flipped(flipped(ONE, 14), 14, seed=1)
    assert np.bitwise_count(ONE ^ end).sum() > 14
    rows = [(ONE, 1, 0, TRAIN), (middle, 2, 0, TRAIN), (end, 3, 0, TRAIN)]
    assert [row[0] for row in verdicts(rows)] == [KEPT, COPY_OF_OWN, KEPT]
    assert [row[0] for row in verdicts([rows[1], rows[0], rows[2]])] == [KEPT, COPY_OF_OWN, COPY_OF_OWN]


def test_a_copy_goes_from_the_split_that_is_less_protected_wherever_it_stands():
    rows = [(ONE, 1, 0, TRAIN), (flipped(ONE, 9), 2, 1, VAL), (ONE, 1, 2, TEST)]
    assert verdicts(rows) == [(COPY_ACROSS_SPLITS, 2, True), (COPY_ACROSS_SPLITS, 2, False), (KEPT, -1, False)]
    assert verdicts(rows[::-1]) == [(KEPT, -1, False), (COPY_ACROSS_SPLITS, 0, False), (COPY_ACROSS_SPLITS, 0, True)]


def test_a_copy_of_a_protected_image_goes_even_if_that_one_goes_too():
    middle, end = flipped(ONE, 14), flipped(flipped(ONE, 14), 14, seed=1)
    rows = [(end, 1, 0, TRAIN), (middle, 2, 1, VAL), (ONE, 3, 2, TEST)]
    assert verdicts(rows)[:2] == [(COPY_ACROSS_SPLITS, 1, False), (COPY_ACROSS_SPLITS, 2, False)]
    rows = [(end, 1, 0, TRAIN), (middle, 2, 1, TEST), (ONE, 3, 1, TEST)]
    assert [row[0] for row in verdicts(rows)] == [COPY_ACROSS_SPLITS, KEPT, COPY_OF_OWN]


def test_of_two_people_in_a_split_both_stay_and_are_reported():
    rows = [(ONE, 1, 0, TRAIN), (TWO, 2, 1, TRAIN), (ONE, 1, 1, TRAIN), (flipped(ONE, 5), 3, 2, TRAIN)]
    across = COPY_ACROSS_PEOPLE
    assert verdicts(rows) == [(across, 2, True), (KEPT, -1, False), (across, 0, True), (across, 0, False)]


def test_only_what_stays_is_reported_across_people():
    rows = [(ONE, 1, 0, TRAIN), (ONE, 2, 0, TRAIN), (ONE, 3, 1, TRAIN)]
    assert verdicts(rows) == [(COPY_ACROSS_PEOPLE, 2, False), (COPY_OF_OWN, 0, False), (COPY_ACROSS_PEOPLE, 0, False)]
    rows = [(ONE, 1, 0, TRAIN), (ONE, 2, 1, TRAIN), (ONE, 3, 2, VAL)]
    assert verdicts(rows) == [(COPY_ACROSS_SPLITS, 2, False), (COPY_ACROSS_SPLITS, 2, False), (KEPT, -1, False)]


def test_unlabelled_images_are_one_person_and_the_least_protected():
    rows = [(ONE, 1, -1, NOBODY), (ONE, 2, -1, NOBODY), (TWO, 3, -1, NOBODY), (TWO, 4, 7, TRAIN)]
    assert [row[:2] for row in verdicts(rows)] == [(KEPT, -1), (COPY_OF_OWN, 0), (COPY_ACROSS_SPLITS, 3), (KEPT, -1)]


def test_what_has_no_hash_is_no_copy_of_anything():
    rows = [(None, 0, 0, TRAIN), (None, 0, 0, TEST), (np.zeros(32, np.uint8), 1, 0, TRAIN), (None, 0, 0, TRAIN)]
    assert verdicts(rows) == [(KEPT, -1, False)] * 4


def test_the_same_file_is_a_copy_whatever_its_hash():
    rows = [(ONE, 5, 0, TRAIN), (TWO, 5, 0, TRAIN), (THREE, 5, 1, TRAIN), (TWO, 6, 1, TRAIN)]
    expected = [(COPY_ACROSS_PEOPLE, 2, True), (COPY_OF_OWN, 0, True), (COPY_ACROSS_PEOPLE, 0, True), (KEPT, -1, False)]
    assert verdicts(rows) == verdicts(rows, near_bits=0) == expected


def test_unknown_content_is_not_equal_content():
    assert verdicts([(ONE, 0, 0, TRAIN), (TWO, 0, 0, TRAIN)]) == [(KEPT, -1, False)] * 2
    assert verdicts([(ONE, 0, 0, TRAIN), (ONE, 0, 0, TRAIN)])[1] == (COPY_OF_OWN, 0, False)


def test_a_picture_that_is_there_two_hundred_thousand_times_is_found_at_once():
    images = 200_000
    rng = np.random.default_rng(0)
    hashes = np.repeat(np.stack([flipped(ONE, 6, seed) for seed in range(8)]), images // 8, axis=0)
    person = rng.integers(0, 50_000, images).astype(np.int32)
    content = rng.integers(1, 2**63, images, dtype=np.uint64)
    protection = np.where(np.arange(images) < images - 8, TRAIN, VAL).astype(np.uint8)
    shuffled = rng.permutation(images)
    data = (hashes[shuffled], np.ones(images, bool), content, person)
    found = find_copies(*data, protection, 14)
    assert (found.verdict[:-8] == COPY_ACROSS_SPLITS).all()
    found = find_copies(*data, np.full(images, TRAIN, np.uint8), 14)
    assert (found.verdict == COPY_ACROSS_PEOPLE).sum() == len(np.unique(person))


def test_across_splits_and_people_the_order_does_not_matter():
    rng = np.random.default_rng(3)
    hashes, hashed, content, _, protection = planted(rng, 300, 60, 12)
    person = np.arange(300, dtype=np.int32)  # nobody has two
    expected = find_copies(hashes, hashed, content, person, protection, 14).verdict
    shuffled = rng.permutation(300)
    data = (column[shuffled] for column in (hashes, hashed, content, person, protection))
    np.testing.assert_array_equal(find_copies(*data, 14).verdict, expected[shuffled])
    assert set(expected) == {KEPT, COPY_ACROSS_SPLITS, COPY_ACROSS_PEOPLE}


def test_the_input_is_left_as_it_was():
    data = planted(np.random.default_rng(5), 50, 5, 10)
    before = [column.copy() for column in data]
    find_copies(*data, 14)
    for column, was in zip(data, before, strict=True):
        np.testing.assert_array_equal(column, was)


@pytest.mark.slow
def test_every_copy_among_two_hundred_thousand_is_found():
    images, copies = 200_000, 20_000
    rng = np.random.default_rng(0)
    hashes = rng.integers(0, 256, (images, 32), dtype=np.uint8)
    places = rng.permutation(images)[: 2 * copies].reshape(2, copies)
    originals, places = places.min(axis=0), places.max(axis=0)
    for number, (original, place) in enumerate(zip(originals, places, strict=True)):
        hashes[place] = flipped(hashes[original], number % 15, number)
    content = np.arange(1, images + 1, dtype=np.uint64)
    person, protection = np.zeros(images, np.int32), np.full(images, TRAIN, np.uint8)
    found = find_copies(hashes, np.ones(images, bool), content, person, protection, 14)
    assert set(np.flatnonzero(found.verdict == COPY_OF_OWN)) == set(places)
    np.testing.assert_array_equal(found.partner[places], originals)


MEASURE = r"""
import re, sys, time
import numpy as np
import psutil
from pipeline.datasets.building.duplicates import find_copies

images = int(sys.argv[1])
rng = np.random.default_rng(0)
few = [np.zeros((64, 32), np.uint8), np.ones(64, bool), np.arange(64, dtype=np.uint64)]
find_copies(*few, np.zeros(64, np.int32), np.zeros(64, np.uint8), 14)
before = psutil.Process().memory_info().rss

hashes = np.empty((images, 32), np.uint8)
for start in range(0, images, 10_000):
    hashes[start : start + 10_000] = rng.integers(0, 256, hashes[start : start + 10_000].shape, dtype=np.uint8)
    if start % 100_000 == 0:  # a tenth: near copies of a hundred pictures each, another half of those the same
        part = hashes[start : start + 10_000]
        part[100:] = part[rng.integers(0, 100, len(part) - 100)]
        part[5_000:, rng.integers(0, 32, 4)] ^= np.uint8(1) << rng.integers(0, 8, 4, dtype=np.uint8)
hashed, content = np.ones(images, bool), np.arange(1, images + 1, dtype=np.uint64)
person, protection = np.arange(images, dtype=np.int32), np.zeros(images, np.uint8)
person //= 70
protection[:] = 3
protection[::10] = 0
started = time.monotonic()
found = find_copies(hashes, hashed, content, person, protection, 14)
seconds = time.monotonic() - started
# Not getrusage, whose maximum a child begins with where its parent stands.
after = int(re.search(r"VmHWM:\s+(\d+) kB", open("/proc/self/status").read())[1]) * 1024
print(f"{(after - before) / images:.1f} {seconds:.1f} {np.bincount(found.verdict, minlength=4).tolist()}")
"""


@pytest.mark.soak
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak of memory is read from /proc")
def test_a_million_images_take_no_more_than_64_bytes_each():
    answer = subprocess.run(
        [sys.executable, "-c", MEASURE, "1000000"], capture_output=True, text=True, check=True, timeout=600
    ).stdout
    assert float(answer.split()[0]) <= 64, answer
