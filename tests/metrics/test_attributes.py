"""Errors that can be worked out by hand, and what they must not depend on."""

import pytest
import torch
from torchmetrics.functional.classification import binary_stat_scores

from pipeline.metrics.attributes import (
    Attribute,
    MeanAttributeError,
    errors,
    mean_error,
    unrelated_error,
)

YAW = Attribute("continuous", -45.0, 45.0)
HUE = Attribute("circular", 0.0, 360.0)
GLASSES = Attribute("binary", 0.0, 1.0)
EACH = pytest.mark.parametrize("attribute", [YAW, HUE, GLASSES], ids=lambda a: a.kind)


def found(n: int) -> torch.Tensor:
    return torch.ones(n, dtype=torch.bool)


@EACH
def test_the_right_answer_has_no_error(attribute):
    target = torch.tensor([0.0, 1.0, 0.0])
    assert mean_error(attribute, errors(attribute, target, target, found(3)), target) == 0


@pytest.mark.parametrize(
    ("attribute", "predicted", "target", "error"),
    [
        (YAW, 10, -5, 15),
        (YAW, -45, 45, 90),
        (HUE, 350, 10, 20),
        (HUE, 10, 350, 20),
        (HUE, 0, 180, 180),
        (HUE, 370, 10, 0),
        (HUE, -10, 350, 0),
        (GLASSES, 0.49, 1, 1),
        (GLASSES, 0.5, 1, 0),
        (GLASSES, 0.9, 0, 1),
    ],
)
def test_the_error_of_an_image(attribute, predicted, target, error):
    values = torch.tensor([float(predicted)]), torch.tensor([float(target)])
    assert errors(attribute, *values, found(1)) == pytest.approx(error, abs=1e-4)


@pytest.mark.parametrize(("attribute", "worst"), [(YAW, 90), (HUE, 180), (GLASSES, 1)])
def test_a_face_that_is_not_found_has_the_largest_error(attribute, worst):
    nothing = torch.tensor([torch.nan, 0.0])
    assert errors(attribute, nothing, torch.zeros(2), ~found(2)).tolist() == [worst, worst]


def test_each_answer_of_a_yes_or_no_counts_the_same_however_rare():
    target = torch.tensor([1.0, 0, 0, 0, 0, 0, 0, 0, 0, 0])
    never = errors(GLASSES, torch.zeros(10), target, found(10))
    assert never.mean() == pytest.approx(0.1)
    assert mean_error(GLASSES, never, target) == 0.5


def test_a_yes_or_no_agrees_with_torchmetrics():
    predicted, target = torch.rand(200), (torch.rand(200) < 0.2).float()
    tp, fp, tn, fn, _ = binary_stat_scores(predicted, target.int()).tolist()
    balanced = (tp / (tp + fn) + tn / (tn + fp)) / 2
    error = errors(GLASSES, predicted, target, found(200))
    assert mean_error(GLASSES, error, target) == pytest.approx(1 - balanced)


def test_prediction_and_target_of_a_yes_or_no_are_no_equals():
    a, b = torch.tensor([1.0, 1, 0, 0]), torch.tensor([1.0, 0, 0, 0])
    one_way, other_way = (mean_error(GLASSES, errors(GLASSES, p, t, found(4)), t) for p, t in ((a, b), (b, a)))
    assert (one_way, other_way) == (pytest.approx(1 / 6), pytest.approx(1 / 4))


def test_a_yes_or_no_that_is_always_no_has_the_error_of_no():
    target = torch.zeros(4)
    assert mean_error(GLASSES, errors(GLASSES, torch.tensor([1.0, 0, 0, 0]), target, found(4)), target) == 0.25


@EACH
def test_what_cannot_be_seen_is_not_counted(attribute):
    predicted, target = torch.tensor([1.0, 0.0, 1.0]), torch.tensor([1.0, 0.0, 0.0])
    seen = torch.tensor([True, True, False])
    error = errors(attribute, predicted, target, found(3))
    assert mean_error(attribute, error, target, seen) == 0
    assert mean_error(attribute, error, target, ~found(3)).isnan()


@EACH
@pytest.mark.parametrize("size", [1, 7, 50])
def test_the_mean_does_not_depend_on_the_batches(attribute, size):
    predicted, target = torch.rand(50), torch.rand(50).round()
    seen, counted = torch.rand(50) < 0.9, torch.rand(50) < 0.8
    metric = MeanAttributeError(attribute)
    for rows in torch.arange(50).split(size):
        metric.update(predicted[rows], target[rows], seen[rows], counted[rows])
    whole = mean_error(attribute, errors(attribute, predicted, target, seen), target, counted)
    assert metric.compute() == pytest.approx(whole.item())


def test_unrelated_is_the_error_of_everyone_else_s_photographs():
    yaw, person = torch.tensor([0.0, 10.0, 40.0]), torch.tensor([1, 2, 2])
    target, target_person = torch.tensor([0.0, 40.0]), torch.tensor([1, 2])
    # the first is compared with 10 and 40, the second with 0
    value = unrelated_error(YAW, yaw, found(3), person, target, target_person)
    assert value == pytest.approx((10 + 40 + 40) / 3)
    first = torch.tensor([True, False])
    assert unrelated_error(YAW, yaw, found(3), person, target, target_person, first) == pytest.approx(25)


def test_unrelated_of_a_yes_or_no_is_a_coin():
    glasses, person = (torch.rand(3000) < 1 / 6).float(), torch.arange(3000)
    value = unrelated_error(GLASSES, glasses, found(3000), person, glasses, person)
    assert value == pytest.approx(0.5, abs=0.001)


def test_unrelated_of_a_uniform_angle_is_a_quarter_round():
    hue, person = 360 * torch.rand(2000), torch.arange(2000)
    assert unrelated_error(HUE, hue, found(2000), person, hue, person) == pytest.approx(90, abs=2)


def test_an_estimate_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="not finite"):
        errors(YAW, torch.tensor([torch.nan]), torch.zeros(1), found(1))


def test_shapes_that_would_broadcast_are_refused():
    with pytest.raises(ValueError, match=r"shapes differ: \[\(1,\), \(3,\)\]"):
        mean_error(YAW, torch.zeros(3), torch.zeros(1))
