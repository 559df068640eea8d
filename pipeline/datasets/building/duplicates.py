"""Which photographs of a data set are copies of one another, and which of them stay.

An image takes 60 bytes here, its 46 of input included, and one of the largest component some 200 more; add a few MB.
"""

from typing import NamedTuple

import numpy as np

from pipeline.datasets.building.components import MAX_NEAR_BITS, Images, components

KEPT, COPY_OF_OWN, COPY_ACROSS_SPLITS, COPY_ACROSS_PEOPLE = range(4)


class Copies(NamedTuple):
    """What was found, one entry an image."""

    verdict: np.ndarray  # uint8: KEPT, COPY_OF_OWN (to be dropped), COPY_ACROSS_SPLITS (too), COPY_ACROSS_PEOPLE (kept)
    partner: np.ndarray  # int32: the image of which it is a copy; -1
    exact: np.ndarray  # bool: the two files are the same, byte for byte


def find_copies(
    hashes: np.ndarray,
    hashed: np.ndarray,
    content: np.ndarray,
    person: np.ndarray,
    protection: np.ndarray,
    near_bits: int,
) -> Copies:
    """Decide over every image of a data set, in its order.

    Two hashed images are copies if their hashes differ in at most `near_bits` bits or their files are the same.

    1. A copy of any image of a better protected split is dropped, whatever becomes of that one. Its partner is the
       first such image of the best protected split.
    2. Of what is left, a copy of an earlier photograph of the same person that stays is dropped. Its partner is the
       first such photograph.
    3. Of what stays, a copy of a photograph of another person is reported, on both sides. Its partner is the first such
       photograph. It is of the same split, or one of the two would be gone.

    Args:
        hashes: uint8 [N, 32], rows side by side in memory; of `hashing.perceptual_hash`. N is below 2^31.
        hashed: bool [N]; False: never a copy of anything.
        content: uint64 [N], the first 8 bytes of the file's sha256; 0: not known.
        person: int32 [N], code of the identity; -1: unlabelled, who count as one person.
        protection: uint8 [N], place in splits.PROTECTED; 0 is the best protected.
        near_bits: 0 to 14; -1: there are no copies.
    """
    if not -1 <= near_bits <= MAX_NEAR_BITS:
        raise ValueError(f"near_bits should be between -1 and {MAX_NEAR_BITS} (got {near_bits})")
    images = Images(hashes, hashed, content, person, protection, near_bits)
    found = components(images) if near_bits >= 0 else iter(())
    verdict = np.full(len(hashed), KEPT, dtype=np.uint8)
    copies = Copies(verdict, np.full(len(hashed), -1, dtype=np.int32), np.zeros(len(hashed), dtype=bool))
    for at, component in found:
        _judge(images, at, component, copies)
    return copies


def _judge(images: Images, at: np.ndarray, component: np.ndarray, copies: Copies) -> None:
    """Write what becomes of the images `at`, which are some whole components in their order."""
    across = _across_splits(images, at, component)
    left = across < 0
    own = np.full(len(at), -1)
    own[left] = _of_own(images, at[left], component[left])
    kept = left & (own < 0)
    people = np.full(len(at), -1)
    people[kept] = _across_people(images, at[kept], component[kept])

    rules = ((across, COPY_ACROSS_SPLITS), (own, COPY_OF_OWN), (people, COPY_ACROSS_PEOPLE))
    for partner, verdict in rules:
        found = partner >= 0
        copies.verdict[at[found]] = verdict
        copies.partner[at[found]] = partner[found]
        copies.exact[at[found]] = images.same_file(at[found], partner[found])


def _across_splits(images: Images, at: np.ndarray, component: np.ndarray) -> np.ndarray:
    """For each image the first copy of the best protected split, if that is better than its own; or -1."""
    protection = images.protection[at].astype(np.int64)
    order = np.lexsort((at, protection, component))
    at, place = at[order], (component * 256 + protection)[order]
    heads = _heads(images, at, component[order])
    found = np.empty_like(at)
    start = np.searchsorted(place[heads], place & ~255)
    stop = np.searchsorted(place[heads], place)
    found[order] = _first_copy(images, at, at[heads], start, stop)
    return found


def _of_own(images: Images, at: np.ndarray, component: np.ndarray) -> np.ndarray:
    """For each image the first earlier one of the person that stays and is its copy; or -1.

    The first of each person stays, its copies go; then the first of what is left, and so on. As many rounds as a
    person has photographs that stay, in a component.
    """
    person = images.person[at]
    left = np.lexsort((at, person, component))
    found = np.full(len(at), -1)
    while len(left):
        fresh = np.ones(len(left), dtype=bool)
        fresh[1:] = (component[left[1:]] != component[left[:-1]]) | (person[left[1:]] != person[left[:-1]])
        left, head = left[~fresh], at[left[fresh]][np.cumsum(fresh) - 1][~fresh]
        copy = images.copies(at[left], head)
        found[left[copy]] = head[copy]
        left = left[~copy]
    return found


def _across_people(images: Images, at: np.ndarray, component: np.ndarray) -> np.ndarray:
    """For each image the first copy that is of another person; or -1."""
    order = np.lexsort((at, component))
    at, component = at[order], component[order]
    heads = _heads(images, at, component)
    start = np.searchsorted(component[heads], component)
    stop = np.searchsorted(component[heads], component, side="right")
    found = np.empty_like(at)
    found[order] = _first_copy(images, at, at[heads], start, stop, others=True)
    return found


def _first_copy(
    images: Images, at: np.ndarray, heads: np.ndarray, start: np.ndarray, stop: np.ndarray, *, others: bool = False
) -> np.ndarray:
    """For each image the first of heads[start:stop] that is its copy (and of another person), or -1."""
    found = np.full(len(at), -1)
    left = np.flatnonzero(start < stop)
    start = start.copy()
    while len(left):
        head = heads[start[left]]
        copy = images.copies(at[left], head)
        if others:
            copy &= images.person[at[left]] != images.person[head]
        found[left[copy]] = head[copy]
        start[left] += 1
        left = left[~copy & (start[left] < stop[left])]
    return found


def _heads(images: Images, at: np.ndarray, component: np.ndarray) -> np.ndarray:
    """Places in `at` of those that an image need be compared with to meet the first of its copies, ascending.

    Of equal hashes, that is the first one, and the first one of another person. Files that are the same have the same
    hash, unless two machines made it: only then their first ones are added.
    """
    quarters = images.hashes.view(np.uint64)[at]
    order = np.lexsort(quarters.T)
    fresh = np.zeros(len(at), dtype=np.int64)
    fresh[1:] = (quarters[order[1:]] != quarters[order[:-1]]).any(axis=1)
    code = np.empty(len(at), dtype=np.int64)
    code[order] = np.cumsum(fresh)
    person = images.person[at]
    heads = _first_two(code, person)

    _, first, file = np.unique(images.content[at], return_index=True, return_inverse=True)
    torn = np.zeros(len(first), dtype=bool)
    torn[file[code != code[first][file]]] = True
    some = np.flatnonzero(torn[file] & (images.content[at] != 0))
    return np.union1d(heads, some[_first_two(file[some], person[some])])


def _first_two(label: np.ndarray, person: np.ndarray) -> np.ndarray:
    """Places of the first of each label, and of the first of each that is of another person than that one."""
    _, first, inverse = np.unique(label, return_index=True, return_inverse=True)
    others = np.flatnonzero(person != person[first][inverse])
    return np.union1d(first, others[np.unique(label[others], return_index=True)[1]])
