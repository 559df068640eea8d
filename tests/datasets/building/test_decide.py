"""Who is used, once all are known."""

from pathlib import Path

import numpy as np

from pipeline.datasets.building.decide import COPY, FEW_IMAGES, IDENTITY_NOISE, KEPT, decide, gather
from pipeline.datasets.building.parts import EMBEDDING, INDEX, Part
from pipeline.datasets.shards import write_table

ADA, BOB = np.array([1.0, 0.1, 0.0]), np.array([0.0, 0.1, 1.0])


def made(folder: Path, *rows: tuple[str | None, np.ndarray | None, int]):
    """Parts of two faces each: identity, embedding, and a number that stands for the photograph."""
    parts = []
    for n in range(0, len(rows), 2):
        some = [
            {
                "identity": identity, "split": "train" if identity else "unlabelled",
                "embedding": None if embedding is None else embedding.tolist(),
                "hash": np.random.default_rng(photograph).bytes(32),
                "source_sha256": f"{photograph + 1:016x}" + "0" * 48,
            }
            for identity, embedding, photograph in rows[n : n + 2]
        ]  # fmt: skip
        parts.append(Part(f"train-{n:05d}", len(some), 0, {}))
        write_table(folder / f"train-{n:05d}.parquet", some, INDEX.append(EMBEDDING))
    return gather(parts, folder)


def verdicts(folder, facts, min_cosine=-1.0, min_images=1):
    return decide(facts, folder, 14, min_cosine, min_images).verdict.tolist()


def test_a_face_far_from_its_persons_others_is_set_aside(tmp_path):
    rows = [("a", ADA, 0), ("a", 3 * ADA, 1), ("a", BOB, 2), ("b", BOB, 3), ("b", BOB, 4), ("c", ADA, 5)]
    facts = made(tmp_path, *rows)
    assert verdicts(tmp_path, facts, min_cosine=0.3) == [KEPT, KEPT, IDENTITY_NOISE, KEPT, KEPT, KEPT]
    assert verdicts(tmp_path, facts) == [KEPT] * 6
    likeness = decide(facts, tmp_path, 14, 0.3, 1).likeness
    assert list(likeness) == [2]
    assert abs(likeness[2]) < 0.2


def test_one_photograph_and_unlabelled_ones_are_compared_with_nobody(tmp_path):
    facts = made(tmp_path, ("a", ADA, 0), (None, BOB, 1), (None, ADA, 2), ("b", None, 3))
    assert verdicts(tmp_path, facts, min_cosine=0.9) == [KEPT] * 4


def test_copies_do_not_count_towards_the_images_that_a_person_needs(tmp_path):
    facts = made(tmp_path, ("a", ADA, 0), ("a", ADA, 0), ("b", BOB, 1), ("b", BOB, 2), (None, BOB, 3))
    assert verdicts(tmp_path, facts, min_images=2) == [FEW_IMAGES, COPY, KEPT, KEPT, KEPT]


def test_noise_does_not_count_either(tmp_path):
    facts = made(tmp_path, ("a", ADA, 0), ("a", ADA, 1), ("a", BOB, 2), ("b", BOB, 3))
    assert verdicts(tmp_path, facts, 0.3, 3) == [FEW_IMAGES, FEW_IMAGES, IDENTITY_NOISE, FEW_IMAGES]
