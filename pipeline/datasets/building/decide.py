"""Which of the faces that were cut are used: what only shows once all of them are known."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq

from pipeline.datasets.building import duplicates
from pipeline.datasets.building.parts import Part
from pipeline.datasets.splits import PROTECTED

KEPT, COPY, COPY_ACROSS_SPLITS, IDENTITY_NOISE, FEW_IMAGES = range(5)
REASONS = ("", "copy", "copy_across_splits", "identity_noise", "few_images")


class Facts(NamedTuple):
    """What is known of every face, in the data set's order; few bytes each."""

    parts: list[str]
    starts: np.ndarray  # int64 [parts + 1], the first face of each part
    people: int
    person: np.ndarray  # int32 [N], -1: unlabelled
    protection: np.ndarray  # uint8 [N], the split's place in PROTECTED
    hashes: np.ndarray  # uint8 [N, 32]
    hashed: np.ndarray  # bool [N]
    content: np.ndarray  # uint64 [N]


class Decisions(NamedTuple):
    """Why each face is used or not."""

    verdict: np.ndarray  # uint8 [N], KEPT to FEW_IMAGES
    partner: np.ndarray  # [N], of a copy what it is a copy of, else -1; also of kept ones, across people
    exact: np.ndarray  # bool [N], the copy is the very same file
    likeness: dict[int, float]  # cosine of those that are identity noise


def gather(parts: list[Part], folder: Path) -> Facts:
    """Read the columns that decide; `parts` in the data set's order."""
    starts = np.concatenate([[0], np.cumsum([part.images for part in parts])]).astype(np.int64)
    total = int(starts[-1])
    person, protection = np.full(total, -1, np.int32), np.zeros(total, np.uint8)
    hashes, hashed = np.zeros((total, 32), np.uint8), np.zeros(total, bool)
    content = np.zeros(total, np.uint64)
    codes: dict[str, int] = {}
    for part, start in zip(parts, starts, strict=False):
        table = pq.read_table(folder / f"{part.name}.parquet", columns=["identity", "split", "hash", "source_sha256"])
        columns = (table.column(i).to_pylist() for i in range(4))
        for i, (identity, split, own, sha256) in enumerate(zip(*columns, strict=True), int(start)):
            protection[i] = PROTECTED.index(split)
            if identity is not None:
                person[i] = codes.setdefault(identity, len(codes))
            if own is not None:
                hashes[i], hashed[i] = np.frombuffer(own, np.uint8), True
                content[i] = int(sha256[:16], 16)
    return Facts([part.name for part in parts], starts, len(codes), person, protection, hashes, hashed, content)


def decide(facts: Facts, folder: Path, near_bits: int, min_cosine: float, min_images: int) -> Decisions:
    """Copies first, then who does not look like their person, then people with too few left."""
    copies = duplicates.find_copies(
        facts.hashes, facts.hashed, facts.content, facts.person, facts.protection, near_bits
    )
    verdict = np.zeros(len(facts.person), np.uint8)
    verdict[copies.verdict == duplicates.COPY_OF_OWN] = COPY
    verdict[copies.verdict == duplicates.COPY_ACROSS_SPLITS] = COPY_ACROSS_SPLITS
    likeness = _noise(facts, folder, verdict, min_cosine) if min_cosine > -1 else {}
    verdict[list(likeness)] = IDENTITY_NOISE
    used = np.flatnonzero((verdict == KEPT) & (facts.person >= 0))
    images = np.bincount(facts.person[used], minlength=facts.people)
    verdict[used[images[facts.person[used]] < min_images]] = FEW_IMAGES
    return Decisions(verdict, copies.partner, copies.exact, likeness)


def _noise(facts: Facts, folder: Path, verdict: np.ndarray, min_cosine: float) -> dict[int, float]:
    """Face -> cosine to the mean of the person's other faces, where that is too small. Two passes over the parts."""
    sums: np.ndarray | None = None
    counts = np.zeros(facts.people, np.int64)
    for rows, embeddings in _embeddings(facts, folder, verdict):
        sums = np.zeros((facts.people, embeddings.shape[1]), np.float32) if sums is None else sums
        np.add.at(sums, facts.person[rows], embeddings)
        np.add.at(counts, facts.person[rows], 1)
    far: dict[int, float] = {}
    for rows, embeddings in _embeddings(facts, folder, verdict):
        assert sums is not None
        others = sums[facts.person[rows]] - embeddings
        cosines = (others * embeddings).sum(1) / np.maximum(np.linalg.norm(others, axis=1), 1e-12)
        # One photograph alone has nothing to be compared with.
        judged = (counts[facts.person[rows]] > 1) & (cosines < min_cosine)
        far.update(zip(rows[judged].tolist(), cosines[judged].tolist(), strict=True))
    return far


def _embeddings(facts: Facts, folder: Path, verdict: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Rows and unit vectors of the kept faces of known people, part by part."""
    for name, start, end in zip(facts.parts, facts.starts, facts.starts[1:], strict=False):
        column = pq.read_table(folder / f"{name}.parquet", columns=["embedding"]).column(0)
        rows = np.arange(start, end)
        known = (verdict[rows] == KEPT) & (facts.person[rows] >= 0) & column.is_valid().to_numpy()
        if known.any():
            vectors = np.array(column.filter(known).to_pylist(), np.float32)
            yield rows[known], vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
