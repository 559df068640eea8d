"""The long proof of the renderer: thousands of random people and circumstances, and the corners of their ranges."""

import warnings

import numpy as np
import pytest

from pipeline.datasets.heads import ATTRIBUTES, IDENTITY, render, sample_attributes, sample_identity


@pytest.mark.soak
def test_ten_thousand_heads_render_without_a_warning_and_with_their_landmarks_inside():
    rng = np.random.default_rng(0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(10_000):
            image, landmarks = render(sample_identity(rng), sample_attributes(rng), 64)
            assert image.std() > 5
            assert ((landmarks >= 0) & (landmarks <= 63)).all()


@pytest.mark.soak
def test_the_corners_of_all_ranges_render():
    rng = np.random.default_rng(1)
    for _ in range(2_000):
        identity, attributes = (
            np.array([rng.choice([d.low, d.high]) for d in dimensions], np.float32)
            for dimensions in (IDENTITY, ATTRIBUTES)
        )
        image, landmarks = render(identity, attributes, 64)
        assert image.shape == (64, 64, 3)
        assert np.isfinite(landmarks).all()
