"""Unlabelled faces teach everything but whose they are (Bao et al. 2018): the labels' terms are left out for them."""

import pytest
import torch

from tests.methods.learning import moved_by_an_update
from tests.methods.test_ipgan import batch, method, ours

OF_LABELS = {"L_I", "L_C", "L_Q", "L_AQ"}


@pytest.mark.parametrize("make", [method, ours])
@pytest.mark.parametrize("same", [True, False])
def test_only_the_labels_terms_are_left_out(make, same):
    m, known = make(), batch(same)
    unknown = known._replace(c=torch.full((4,), -1), c_a=torch.full((4,), -1))
    with_labels, without = (m.terms(pairs) for pairs in (known, unknown))
    assert with_labels.keys() == without.keys()
    for term, value in without.items():
        assert torch.equal(value, torch.zeros(()) if term in OF_LABELS else with_labels[term]), term


def test_nobody_known_moves_no_recogniser_and_the_others_as_ever():
    m = method()
    pairs = batch()
    moved = moved_by_an_update(m, pairs._replace(c=torch.full((4,), -1), c_a=torch.full((4,), -1)))
    assert moved & {"identity", "classifier"} == set()
    assert {"attributes", "generator", "discriminator"} <= moved
