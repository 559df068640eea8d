"""Who is compared with whom: the evaluation protocol as row numbers, fixed by hashes of keys.

Each person's photographs are split into a gallery, which stands for the person and is never an input, and probes,
which are inputs and the queries of the ceiling.
"""

import hashlib
from typing import NamedTuple

import numpy as np

from pipeline.datasets.shards import Faces, ShardError


class Protocol(NamedTuple):
    """Row numbers of the index by person, people in order of their names."""

    names: list[str]
    gallery: list[np.ndarray]
    probes: list[np.ndarray]

    @property
    def rows(self) -> np.ndarray:
        """All photographs: the gallery's, then the probes; int64 [N]."""
        return np.concatenate([*self.gallery, *self.probes])


EVALUATED = 3  # people: subject, sample and someone unrelated


class Pair(NamedTuple):
    """A recombination to make: rows of the index, and the people's numbers in the protocol."""

    subject: int
    sample: int
    subject_row: int
    sample_row: int


def protocol(faces: Faces, split: str, gallery: int, at_least: int = 2) -> Protocol:
    """The people of a split who have two photographs, each with a gallery and probes.

    Args:
        faces: the index.
        split: one of SPLITS.
        gallery: photographs of each person in the gallery: all but two where there are fewer, but at least one.
        at_least: so many people are needed; to tell subject, sample and anyone unrelated apart takes three.

    Raises:
        ShardError: there are fewer.
    """
    rows = faces.of_split(split)
    keys = dict(zip(rows.tolist(), faces.column("key", rows), strict=True))
    person, names = faces.coded("identity")
    of_person: dict[str, list[int]] = {}
    for row in rows.tolist():
        of_person.setdefault(names[person[row]], []).append(row)
    parts = []
    for name in sorted(of_person):
        own = sorted(of_person[name], key=lambda r: _hash(str(keys[r])))
        if len(own) >= 2:
            size = max(1, min(gallery, len(own) - 2))
            parts.append((name, np.array(own[:size]), np.array(own[size:])))
    if len(parts) < at_least:
        needed = {2: "two", 3: "three"}.get(at_least, str(at_least))
        raise ShardError(
            f"The split {split!r} has {len(parts)} people with two photographs and needs {needed}: "
            "add people, or raise that split's share in params.yaml (data.shares)"
        )
    return Protocol(*(list(column) for column in zip(*parts, strict=True)))


def pairs(people: Protocol, samples_per_subject: int) -> list[Pair]:
    """Each person as subject with samples of that many other people (all others where there are fewer)."""
    made = []
    for s, name in enumerate(people.names):
        others = sorted((a for a in range(len(people.names)) if a != s), key=lambda a: _hash(name + people.names[a]))
        for a in others[:samples_per_subject]:
            photographs = people.probes[a]
            sample_row = photographs[int(_hash(people.names[a] + name)[:8], 16) % len(photographs)]
            made.append(Pair(s, a, int(people.probes[s][0]), int(sample_row)))
    return made


def grid(people: Protocol, subjects: int, samples: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of the first `subjects` people, and of `samples` people from the other end, one photograph each."""
    s = [int(rows[0]) for rows in people.probes[:subjects]]
    a = [int(rows[-1]) for rows in people.probes[::-1][:samples]]
    return np.array(s), np.array(a)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
