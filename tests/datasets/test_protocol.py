"""Who is compared with whom: galleries are never inputs, pairs are of two people, hashes decide."""

import numpy as np
import pytest

from pipeline.datasets.protocol import grid, pairs, protocol
from pipeline.datasets.shards import Faces, ShardError, ShardWriter


def make(folder, counts):
    with ShardWriter(folder, "faces") as writer:
        for person, count in counts.items():
            for i in range(count):
                image = np.zeros((4, 4, 3), np.uint8)
                writer.add(f"{person}_{i}", image, {"identity": person, "split": "test"})
        writer.close()
    return Faces(folder)


def test_galleries_and_probes_share_no_photograph_and_leave_none_out(tmp_path):
    people = protocol(make(tmp_path, {"a": 9, "b": 6, "c": 3, "d": 2}), "test", 5)
    assert [len(g) for g in people.gallery] == [5, 4, 1, 1]
    assert [len(p) for p in people.probes] == [4, 2, 2, 1]
    assert sorted(np.concatenate([*people.gallery, *people.probes])) == list(range(20))


def test_a_person_with_one_photograph_takes_no_part(tmp_path):
    assert protocol(make(tmp_path, {"a": 3, "b": 1, "c": 2}), "test", 5).names == ["a", "c"]


def test_too_few_people_are_refused_in_a_sentence(tmp_path):
    with pytest.raises(ShardError, match="has 2 people with two photographs and needs three"):
        protocol(make(tmp_path, {"a": 3, "b": 1, "c": 2}), "test", 5, at_least=3)


def test_new_people_change_nobodys_gallery(tmp_path):
    few = make(tmp_path / "few", {"b": 8, "d": 8})
    many = make(tmp_path / "many", {"a": 8, "b": 8, "c": 8, "d": 8})
    keys = [
        {name: sorted(faces.column("key")[rows]) for name, rows in zip(p.names, p.gallery, strict=True)}
        for faces, p in ((f, protocol(f, "test", 5)) for f in (few, many))
    ]
    assert keys[0] == {name: keys[1][name] for name in keys[0]}


def test_pairs_are_of_two_people_from_probes_alone(tmp_path):
    people = protocol(make(tmp_path, {name: 8 for name in "abcdef"}), "test", 5)
    made = pairs(people, 3)
    assert len(made) == 18
    assert all(p.subject != p.sample for p in made)
    assert all(p.subject_row in people.probes[p.subject] and p.sample_row in people.probes[p.sample] for p in made)
    assert all(len({p.sample for p in made if p.subject == s}) == 3 for s in range(6))


def test_there_are_no_more_samples_than_other_people(tmp_path):
    people = protocol(make(tmp_path, {name: 4 for name in "abc"}), "test", 5)
    assert len(pairs(people, 10)) == 6


def test_the_grid_takes_probes(tmp_path):
    people = protocol(make(tmp_path, {name: 8 for name in "abcdef"}), "test", 5)
    subjects, samples = grid(people, 2, 4)
    assert (len(subjects), len(samples)) == (2, 4)
    assert not set(subjects) & set(np.concatenate(people.gallery))
    assert not set(subjects) & set(samples)
