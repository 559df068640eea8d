import numpy as np
import pytest

from pipeline.datasets.heads import (
    ATTRIBUTES,
    IDENTITY,
    Dimension,
    neutral_attributes,
    neutral_identity,
    sample_attributes,
    sample_identity,
)

BOTH = pytest.mark.parametrize(
    ("dimensions", "sample", "neutral"),
    [(IDENTITY, sample_identity, neutral_identity), (ATTRIBUTES, sample_attributes, neutral_attributes)],
    ids=["identity", "attributes"],
)


def _column(dimensions: tuple[Dimension, ...], name: str) -> int:
    return [d.name for d in dimensions].index(name)


@BOTH
def test_every_sample_lies_within_the_ranges(dimensions, sample, neutral):
    rng = np.random.default_rng(0)
    values = np.stack([sample(rng) for _ in range(300)] + [neutral()])
    assert values.dtype == np.float32
    assert values.shape[1] == len(dimensions)
    assert (values >= [d.low for d in dimensions]).all()
    assert (values <= [d.high for d in dimensions]).all()


@BOTH
def test_every_number_varies_between_samples(dimensions, sample, neutral):
    rng = np.random.default_rng(0)
    values = np.stack([sample(rng) for _ in range(100)])
    assert (values.std(0) > 0).all()


@BOTH
def test_the_same_seed_gives_the_same_sample(dimensions, sample, neutral):
    one, other = (sample(np.random.default_rng(7)) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_names_are_unique_across_both_vectors():
    names = [d.name for d in IDENTITY + ATTRIBUTES]
    assert len(set(names)) == len(names)


def test_every_kind_is_one_of_three():
    assert {d.kind for d in IDENTITY + ATTRIBUTES} == {"continuous", "circular", "binary"}


def test_binary_attributes_are_zero_or_one_and_glasses_are_rare():
    rng = np.random.default_rng(0)
    values = np.stack([sample_attributes(rng) for _ in range(1000)])
    for at, dimension in enumerate(ATTRIBUTES):
        if dimension.kind == "binary":
            assert set(values[:, at]) == {0.0, 1.0}
    assert 0.12 < values[:, _column(ATTRIBUTES, "glasses")].mean() < 0.22


def test_yaw_is_spread_evenly():
    rng = np.random.default_rng(0)
    yaw = np.array([sample_attributes(rng)[_column(ATTRIBUTES, "yaw")] for _ in range(1000)])
    counts, _ = np.histogram(yaw, bins=5, range=(-45, 45))
    assert counts.min() > 150
