"""Damaged files, from whole ones: what a reader of untrusted bytes is tried with."""

from collections.abc import Callable

from hypothesis import strategies as st

Draw = Callable[[st.SearchStrategy], object]

# Lengths, counts and signs that readers trip over, in both byte orders.
INTERESTING = sorted(
    {
        value.to_bytes(width, order)
        for width in (1, 2, 4, 8)
        for value in (0, 1, 256**width // 2 - 1, 256**width // 2, 256**width - 2, 256**width - 1)
        for order in ("big", "little")
    }
)


def mutated(seeds: list[bytes], most: int = 4) -> st.SearchStrategy[bytes]:
    """One of the seeds with a few bytes changed, overwritten, cut off, doubled, dropped or taken from another seed.

    Args:
        seeds: whole files, none of them empty; small ones are searched more thoroughly.
        most: changes to one file.
    """
    return _mutated(seeds, most)


@st.composite
def _mutated(draw: Draw, seeds: list[bytes], most: int) -> bytes:
    data = draw(st.sampled_from(seeds))
    for edit in draw(st.lists(st.sampled_from(EDITS), min_size=1, max_size=most)):
        data = edit(draw, data, seeds)
    return data


def _flip(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    place = draw(st.integers(0, len(data)))
    flipped = [byte ^ draw(st.integers(1, 255)) for byte in data[place : place + 1]]  # none at the end
    return data[:place] + bytes(flipped) + data[place + 1 :]


def _overwrite(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    place = draw(st.integers(0, len(data)))
    value = draw(st.sampled_from(INTERESTING)) * draw(st.sampled_from([1, 1, 1, 2, 4, 16]))
    return data[:place] + value + data[place + len(value) :]


def _insert(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    place = draw(st.integers(0, len(data)))
    return data[:place] + draw(st.sampled_from(INTERESTING) | st.binary(min_size=1, max_size=16)) + data[place:]


def _truncate(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    return data[: draw(st.integers(0, len(data)))]


def _drop(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _range(draw, data)
    return data[:start] + data[stop:]


def _double(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _range(draw, data)
    return data[:stop] + data[start:stop] * draw(st.sampled_from([1, 1, 2, 16])) + data[stop:]


def _swap(draw: Draw, data: bytes, _: list[bytes]) -> bytes:
    start, stop = _range(draw, data)
    middle = draw(st.integers(start, stop))
    return data[:start] + data[middle:stop] + data[start:middle] + data[stop:]


def _splice(draw: Draw, data: bytes, seeds: list[bytes]) -> bytes:
    """A piece of some seed, over what stands here or in between."""
    piece = draw(st.sampled_from(seeds))
    start, stop = _range(draw, piece)
    place = draw(st.integers(0, len(data)))
    return data[:place] + piece[start:stop] + data[place + draw(st.sampled_from([0, stop - start])) :]


def _range(draw: Draw, data: bytes) -> tuple[int, int]:
    """A stretch, as often of a few bytes as of many."""
    start = draw(st.integers(0, len(data)))
    longest = draw(st.sampled_from([4, 16, 64, 256, len(data)]))
    return start, draw(st.integers(start, min(len(data), start + longest)))


# What changes little comes more often: a file that is wrong in all places is refused at its first byte.
EDITS = [_flip, _flip, _flip, _overwrite, _overwrite, _overwrite, _insert, _truncate, _drop, _double, _swap, _splice]
