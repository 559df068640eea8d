"""The judge of rendered heads as a function of pictures, and the part of it that says whose face it is."""

import numpy as np
import pytest
import torch

from pipeline.datasets import heads
from pipeline.judges.scales import outputs
from pipeline.judges.trained import trained_judge, trained_recogniser
from pipeline.networks import Closeup, JudgeNetwork

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), np.uint8)


@pytest.fixture(scope="module")
def network():
    torch.manual_seed(0)
    return JudgeNetwork(32, 8, 16, 4, outputs(heads.ATTRIBUTES), [Closeup((3, 4), 0.5, 0.25, (1, 2))])


def test_the_recogniser_says_what_the_judge_says_of_who_it_is_and_nothing_else(network):
    said, whole = trained_recogniser(network)(IMAGES), trained_judge(network, heads.ATTRIBUTES)(IMAGES)
    assert np.array_equal(said.features, whole.features)
    assert said.attributes == {}
    assert set(whole.attributes) == {d.name for d in heads.ATTRIBUTES}
    assert said.found.all()


@pytest.mark.parametrize(
    "made", [trained_recogniser, lambda *given: trained_judge(given[0], heads.ATTRIBUTES, given[1])]
)
def test_batches_change_nothing_but_rounding(network, made):
    together, apart = made(network, 256)(IMAGES), made(network, 2)(IMAGES)
    np.testing.assert_allclose(together.features, apart.features, rtol=1e-5, atol=1e-6)
    assert together.found.shape == apart.found.shape == (5,)
