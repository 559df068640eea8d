"""An interval holds the truth as often as it says, and knows that pictures of one person are alike."""

import math

import pytest
import torch

from pipeline.metrics.intervals import Estimate, by_halves, gap, gap_of, mean, resamples


def crossed(subjects: int, samples: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Every subject with every sample."""
    return torch.arange(subjects).repeat_interleave(samples), torch.arange(samples).repeat(subjects)


def test_the_value_is_the_plain_mean_and_lies_within():
    subject, sample = crossed(8, 6)
    column = torch.rand(48, dtype=torch.float64)
    estimate = mean(column, resamples(subject, sample))
    assert estimate.value == pytest.approx(column.mean().item())
    assert estimate.low < estimate.value < estimate.high
    assert estimate.n == 48


def test_people_are_drawn_and_not_pictures():
    """Ten pictures of each of twenty people that are all alike say no more than one of each."""
    person = torch.arange(20).repeat_interleave(10)
    skill = torch.linspace(0, 1, 20)
    over = mean(skill[person], resamples(person))
    assert over.high - over.low == pytest.approx(2 * 1.96 * skill.std(correction=0).item() / 20**0.5, rel=0.1)


@pytest.mark.parametrize("spread", ["subjects", "samples"])
def test_both_kinds_of_people_count(spread):
    subject, sample = crossed(10, 30)
    column = torch.linspace(0, 1, 30)[subject if spread == "subjects" else sample].double()
    both = mean(column, resamples(subject, sample))
    one = mean(column, resamples(subject if spread == "samples" else sample))
    assert both.high - both.low > 0.1
    assert one.high - one.low < 1e-9


def test_nineteen_of_twenty_intervals_hold_the_truth():
    generator = torch.Generator().manual_seed(0)
    subject, sample = crossed(30, 30)
    held = 0
    for trial in range(100):
        of_subject, of_sample = torch.randn(2, 30, generator=generator)
        column = of_subject[subject] + of_sample[sample] + torch.randn(900, generator=generator)
        estimate = mean(column, resamples(subject, sample, seed=trial, count=500))
        held += estimate.low <= 0 <= estimate.high
    assert 88 <= held <= 99


def test_groups_count_the_same_however_rare():
    groups = torch.tensor([0] * 9 + [1])
    column = torch.tensor([0.0] * 9 + [1.0])
    estimate = mean(column, resamples(torch.arange(10)), groups)
    assert estimate.value == 0.5
    assert estimate.low == 0  # a draw without the rare one has one group


def test_what_is_not_counted_may_be_unknown():
    column = torch.tensor([1.0, 2.0, torch.nan])
    estimate = mean(column, resamples(torch.arange(3)), counted=column.isfinite())
    assert (estimate.value, estimate.n) == (1.5, 2)


def test_a_gap_is_the_largest_difference_of_parts():
    person = torch.arange(90)
    parts = [person % 3 == k for k in range(3)]
    column = (person % 3).double() ** 2 + 0.01 * torch.rand(90, dtype=torch.float64)
    estimate = gap(column, resamples(person), parts)
    assert estimate.value == pytest.approx(4, abs=0.02)
    assert estimate.low < estimate.value < estimate.high
    assert estimate.n == 90


def test_a_gap_of_noise_may_be_none():
    person = torch.arange(400)
    noise = torch.randn(400, generator=torch.Generator().manual_seed(0))
    estimate = gap(noise, resamples(person), [person % 2 == 0, person % 2 == 1])
    assert estimate.low < 0 <= estimate.value < estimate.high


def test_the_gap_of_estimates_of_different_people_is_as_wide_as_both_together():
    parts = [Estimate(0.5, 0.46, 0.54, 30), Estimate(0.2, 0.17, 0.23, 20), Estimate(0.3, 0.0, 1.0, 10)]
    assert gap_of(parts) == pytest.approx((0.3, 0.25, 0.35, 60))


@pytest.mark.parametrize(
    ("column", "counted", "words"),
    [
        (torch.tensor([1.0, torch.nan]), None, "not finite"),
        (torch.ones(2), torch.zeros(2, dtype=torch.bool), "nothing is counted"),
        (torch.ones(3), None, "rows differ"),
    ],
)
def test_it_refuses(column, counted, words):
    with pytest.raises(ValueError, match=words):
        mean(column, resamples(torch.arange(2)), counted=counted)


def test_the_same_seed_is_the_same_interval():
    column, person = torch.rand(50), torch.arange(50)
    assert mean(column, resamples(person)) == mean(column, resamples(person))


def test_halves_know_the_spread_of_a_mean():
    """Of a statistic whose standard error is known: the mean over people."""
    skill = torch.randn(200, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    estimate = by_halves(lambda chosen: {"mean": skill[chosen].mean().item()}, 200, n=200)["mean"]
    assert estimate.value == pytest.approx(skill.mean().item())
    assert estimate.high - estimate.low == pytest.approx(2 * 1.96 * skill.std().item() / 200**0.5, rel=0.4)


def test_half_of_one_person_is_refused():
    with pytest.raises(ValueError, match="2 people"):
        by_halves(lambda _: {"nothing": 0.0}, 1, n=1)


def test_what_halves_cannot_tell_has_no_interval():
    estimate = by_halves(lambda chosen: {"of all": 1.0 if chosen.all() else math.nan}, 4, n=4)["of all"]
    assert estimate.value == 1
    assert math.isnan(estimate.low)
    assert math.isnan(estimate.high)
