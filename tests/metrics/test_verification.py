"""Thresholds and rates against counting by hand."""

import pytest
import torch

from pipeline.metrics.identity import gallery
from pipeline.metrics.verification import (
    MISSED,
    Verification,
    accepted,
    among_nearest,
    auc,
    equal_error_rate,
    of,
    others,
    roc,
    scores,
    threshold_at,
)

EYE = gallery(torch.eye(4), torch.arange(4))  # four people, each an axis of their own


def test_scores_are_cosines_and_a_missed_face_is_near_nobody():
    table = scores(torch.tensor([[3.0, 4, 0, 0], [torch.nan] * 4]), torch.tensor([True, False]), EYE)
    assert table[0].tolist() == pytest.approx([0.6, 0.8, 0, 0])
    assert table[1].tolist() == [MISSED] * 4
    own = torch.tensor([1, 2])
    assert of(table, own).tolist() == pytest.approx([0.8, MISSED])
    assert others(table, own).tolist() == pytest.approx([0.6, 0, 0] + [MISSED] * 3)
    assert among_nearest(table, own, 3).tolist() == [True, False]


def test_among_the_nearest_ties_count_against_it():
    table = scores(torch.tensor([[3.0, 4, 0, 0]] * 3), torch.ones(3, dtype=torch.bool), EYE)
    own = torch.tensor([1, 0, 3])
    assert among_nearest(table, own, 1).tolist() == [True, False, False]
    assert among_nearest(table, own, 2).tolist() == [True, True, False]
    assert among_nearest(table, own, 3).tolist() == [True, True, False]  # the last two are as near as each other
    assert among_nearest(table, own, 4).all()


def test_so_many_impostors_are_accepted_and_no_more():
    impostors = torch.rand(5000, generator=torch.Generator().manual_seed(0)) * 2 - 1
    for far, count in ((1e-2, 50), (1e-3, 5)):
        assert accepted(impostors, threshold_at(impostors, far)).sum() == count


def test_of_impostors_that_tie_none_is_accepted_rather_than_too_many():
    impostors = torch.tensor([0.5] * 10 + [0.0] * 90)
    threshold = threshold_at(impostors, 0.05)
    assert accepted(impostors, threshold).sum() == 0
    assert accepted(torch.tensor([0.6]), threshold).all()


def test_a_rate_that_nobody_could_see_is_refused():
    with pytest.raises(ValueError, match="takes 1000 impostors, got 999"):
        threshold_at(torch.zeros(999), 1e-3)


def test_rates_by_counting():
    genuine, impostors = torch.tensor([0.9, 0.8, 0.4, 0.2]), torch.tensor([0.6, 0.3, 0.1, -0.5])
    pairs = [(g > i).float() for g in genuine for i in impostors]
    assert auc(genuine, impostors) == pytest.approx(torch.stack(pairs).mean().item())
    assert equal_error_rate(genuine, impostors) == pytest.approx(0.25)


def test_what_says_nothing_is_chance_and_what_knows_all_makes_no_error():
    nothing = torch.zeros(10)
    assert auc(nothing, nothing) == 0.5
    assert auc(torch.ones(5), -torch.ones(5)) == 1
    assert equal_error_rate(torch.ones(5), -torch.ones(5)) == 0


def test_the_curve_runs_from_nobody_to_everybody():
    curve = roc(torch.rand(50), -torch.rand(50))
    assert (curve.false_accept[0], curve.true_accept[0]) == (0, 0)
    assert (curve.false_accept[-1], curve.true_accept[-1]) == (1, 1)
    assert (curve.true_accept.diff() >= 0).all()


@pytest.mark.parametrize("bad", [torch.tensor([torch.nan]), torch.tensor([3.0])])
def test_what_is_no_cosine_is_refused(bad):
    with pytest.raises(ValueError, match="cosines"):
        auc(bad, torch.zeros(3))
    with pytest.raises(ValueError, match="0 impostors"):
        auc(torch.zeros(3), torch.zeros(0))


def test_batches_of_scores_are_verified_together():
    draw = torch.Generator().manual_seed(0)
    genuine, impostors = torch.rand(40, generator=draw), torch.rand(300, generator=draw) - 0.5
    metric = Verification({"1e-2": 1e-2, "1e-3": 1e-3})
    metric.update(genuine[:7], impostors[:200])
    metric.update(genuine[7:], impostors[200:])
    share = accepted(genuine, threshold_at(impostors, 1e-2)).double().mean().item()
    assert 0 < share < 1
    wanted = {"eer": equal_error_rate(genuine, impostors), "auc": auc(genuine, impostors), "tar_at_far_1e-2": share}
    # Three hundred strangers say nothing of one in a thousand.
    assert {name: value.item() for name, value in metric.compute().items()} == pytest.approx(wanted)
