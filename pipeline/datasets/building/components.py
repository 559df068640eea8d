"""Which photographs of a data set hang together as copies of one another, found in little memory.

Our own because the index that would do the search, faiss, is a heavy dependency, and near copies of tens of millions of
short hashes are found exactly by sorting alone.

Two hashes that differ in at most t of 256 bits agree in at least 16 - t of their 16 words of two bytes. So a data set
sorted by two words at a time brings every pair of copies together at least once. What is kept is not a list of pairs,
which could be of any length, but who hangs together: such components are small, and all pairs of one can be compared.
"""

from collections.abc import Callable, Iterator
from itertools import combinations
from typing import NamedTuple

import numpy as np

MAX_NEAR_BITS = 14  # beyond it two words need not agree

_WORDS = 16
_CHUNK = 1 << 13  # images or pairs at a time; a few MB
_INDEX = np.uint64(0xFFFF_FFFF)
_KEY = np.uint64(32)
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], dtype=np.uint64)


class Images(NamedTuple):
    """The columns of a data set; `a` and `b` below are arrays of as many places in them."""

    hashes: np.ndarray
    hashed: np.ndarray
    content: np.ndarray
    person: np.ndarray
    protection: np.ndarray
    near_bits: int

    def near(self, a: np.ndarray, b: np.ndarray, bits: int) -> np.ndarray:
        quarters = self.hashes.view(np.uint64)
        near = np.empty(len(a), dtype=bool)
        for start in range(0, len(a), _CHUNK):
            part = slice(start, start + _CHUNK)
            near[part] = np.bitwise_count(quarters[a[part]] ^ quarters[b[part]]).sum(axis=1) <= bits
        return near

    def same_file(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        content = self.content[a]
        return (content == self.content[b]) & (content != 0)

    def copies(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return self.near(a, b, self.near_bits) | self.same_file(a, b)


def components(images: Images) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """All images that are a copy of something, some thousands at a time: their places, and codes of their components.

    Both are int64 [M]; a component comes whole, and its images in their order.
    """
    return _batches(_members(images))  # members now, not when the first is asked for: the caller has yet to fill memory


def _batches(members: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    start = 0
    while start < len(members):
        last = members[min(start + _CHUNK, len(members)) - 1]
        stop = int(np.searchsorted(members, last | _INDEX, side="right"))
        yield _image(members[start:stop]), (members[start:stop] >> _KEY).astype(np.int64)
        start = stop


def _members(images: Images) -> np.ndarray:
    """All images that are a copy of something, as uint64 [M]: 2^32 times the component plus the image, sorted."""
    root = np.arange(len(images.hashed), dtype=np.int32)
    space = np.empty(len(root), dtype=np.uint64)  # for one sort after the other

    quarters, words = images.hashes.view(np.uint64), images.hashes.view(np.uint16)
    mixed = _sorted(space, images.hashed, lambda a: (quarters[a] * _ODD).sum(axis=1, dtype=np.uint64) >> _KEY)
    _join(root, mixed, lambda a, b: images.near(a, b, 0))
    # From here on one image stands for all of its hash, or a picture that is there a million times would be compared
    # with itself half a billion times.
    first = _roots(root)
    first &= images.hashed
    if images.near_bits > 0:
        for one, other in _word_pairs(images.near_bits):
            pair = _sorted(space, first, _two_words(words[:, one], words[:, other]))
            _join(root, pair, lambda a, b: images.near(a, b, images.near_bits))
    del first

    known = images.hashed & (images.content != 0)
    _join(root, _sorted(space, known, lambda a: (images.content[a] * _ODD[0]) >> _KEY), images.same_file)
    return _shared(_sorted(space, images.hashed, lambda a: _find(root, a).astype(np.uint64)))


def _word_pairs(near_bits: int) -> Iterator[tuple[int, int]]:
    """The fewest pairs of words such that any 16 - near_bits words hold one: pigeons share a hole (Turán 1941)."""
    holes = _WORDS - 1 - near_bits
    return ((one, other) for one, other in combinations(range(_WORDS), 2) if one % holes == other % holes)


def _two_words(one: np.ndarray, other: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    return lambda a: one[a].astype(np.uint64) << np.uint64(16) | other[a]


def _sorted(space: np.ndarray, chosen: np.ndarray, key: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """The chosen images by a key below 2^32, then by their place: uint64, 2^32 times the key plus the image.

    One sort of whole numbers in place; numpy's argsort takes eight times as long and twice the memory.
    """
    filled = 0
    for start in range(0, len(chosen), _CHUNK):
        a = np.flatnonzero(chosen[start : start + _CHUNK]) + start
        space[filled : filled + len(a)] = key(a) << _KEY | a.astype(np.uint64)
        filled += len(a)
    space[:filled].sort()
    return space[:filled]


def _join(root: np.ndarray, ordered: np.ndarray, alike: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> None:
    """Unite what is alike among images of equal keys."""

    def unite(later: np.ndarray, back: int) -> None:
        a, b = _image(ordered[later - back]), _image(ordered[later])
        apart = _find(root, a) != _find(root, b)
        a, b = a[apart], b[apart]
        found = alike(a, b)
        _unite(root, a[found], b[found])

    seam = -1  # the last place so far that was not united with the one before it
    for start in range(1, len(ordered), _CHUNK):
        keys = ordered[start - 1 : start + _CHUNK] >> _KEY
        later = np.flatnonzero(keys[1:] == keys[:-1]) + start
        if not len(later):
            continue
        unite(later, 1)
        # Most runs are one component by now. Only what follows a seam in its run has something left to compare with.
        apart = _find(root, _image(ordered[later])) != _find(root, _image(ordered[later - 1]))
        seams = np.maximum.accumulate(np.where(apart, later, seam))
        seam = seams[-1]
        begin = np.searchsorted(ordered, ordered[later] & ~_INDEX)
        later, begin = later[seams > begin], begin[seams > begin]
        back = 2
        while len(later):
            inside = later - back >= begin
            later, begin = later[inside], begin[inside]
            unite(later, back)
            back += 1


def _image(entries: np.ndarray) -> np.ndarray:
    return (entries & _INDEX).astype(np.int64)


def _find(root: np.ndarray, a: np.ndarray) -> np.ndarray:
    """The first image of each one's component, int32. Shortens the ways there."""
    up = root[a]
    while True:
        further = root[up]
        if np.array_equal(further, up):
            return up
        root[a] = up = further


def _roots(root: np.ndarray) -> np.ndarray:
    """Whether each image is the first of its component."""
    first = np.empty(len(root), dtype=bool)
    for start in range(0, len(root), _CHUNK):
        part = root[start : start + _CHUNK]
        first[start : start + _CHUNK] = part == np.arange(start, start + len(part))
    return first


def _unite(root: np.ndarray, a: np.ndarray, b: np.ndarray) -> None:
    while len(a):
        one, other = _find(root, a), _find(root, b)
        np.minimum.at(root, np.maximum(one, other), np.minimum(one, other))
        # Where several wanted the same root, the lowest was heard.
        apart = _find(root, a) != _find(root, b)
        a, b = a[apart], b[apart]


def _shared(ordered: np.ndarray) -> np.ndarray:
    """The entries whose key is not theirs alone, moved to the front of the same memory."""
    filled, before = 0, None
    for start in range(0, len(ordered), _CHUNK):
        part = ordered[start : start + _CHUNK].copy()
        keys = ordered[start : start + _CHUNK + 1] >> _KEY
        after = keys[1:] == keys[:-1]
        shared = np.zeros(len(part), dtype=bool)
        shared[: len(after)] |= after
        shared[1:] |= after[: len(part) - 1]
        shared[0] |= keys[0] == before
        before = keys[len(part) - 1]
        ordered[filled : filled + shared.sum()] = part[shared]
        filled += int(shared.sum())
    return ordered[:filled]
