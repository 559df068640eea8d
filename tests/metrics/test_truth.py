"""Compared with the true picture: values worked out by hand, and those of the definition."""

import math

import pytest
import torch

from pipeline.metrics.truth import IDENTICAL, MeanNearness, ms_ssim, nearness, psnr, scales, ssim

ALL = pytest.mark.parametrize("score", [psnr, ssim, ms_ssim])


def faces(n: int = 4) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8)


@pytest.mark.parametrize(("score", "ideal"), [(psnr, IDENTICAL), (ssim, 1.0), (ms_ssim, 1.0)])
def test_identical_pictures_are_ideal(score, ideal):
    x = faces()
    torch.testing.assert_close(score(x, x), torch.full((4,), ideal))


def test_psnr_of_a_constant_difference():
    truth = torch.zeros(2, 3, 32, 32)
    images = torch.stack([torch.full((3, 32, 32), 0.1), torch.full((3, 32, 32), 1.0)])
    torch.testing.assert_close(psnr(images, truth), torch.tensor([20.0, 0.0]))


def test_one_grey_level_is_48_decibels():
    images = torch.full((1, 3, 32, 32), 100, dtype=torch.uint8)
    assert psnr(images + 1, images) == pytest.approx(20 * math.log10(255), abs=1e-3)


def test_ssim_of_flat_pictures_is_that_of_their_brightness():
    a, b, c1 = 0.2, 0.6, 0.01**2
    flat = [torch.full((1, 3, 32, 32), value) for value in (a, b)]
    assert ssim(*flat) == pytest.approx((2 * a * b + c1) / (a * a + b * b + c1), abs=1e-4)


def test_ms_ssim_of_flat_pictures_is_that_of_their_brightness_at_the_last_scale():
    """Contrast and structure are the same at every scale; brightness counts at the last, with its weight of three."""
    a, b, c1 = 0.2, 0.6, 0.01**2
    flat = [torch.full((1, 3, 64, 64), value) for value in (a, b)]
    weight = 0.3001 / (0.0448 + 0.2856 + 0.3001)
    assert ms_ssim(*flat) == pytest.approx(((2 * a * b + c1) / (a * a + b * b + c1)) ** weight, abs=1e-4)


def test_there_are_as_many_scales_as_leave_the_window_room():
    assert [scales(side) for side in (10, 11, 21, 22, 32, 64, 128, 176, 256)] == [0, 1, 1, 2, 2, 3, 4, 5, 5]
    with pytest.raises(ValueError, match="21 x 40 pixels have no room for two scales"):
        ms_ssim(torch.rand(1, 3, 21, 40), torch.rand(1, 3, 21, 40))


@ALL
def test_bytes_and_fractions_are_the_same_picture(score):
    a, b = faces(), faces()
    torch.testing.assert_close(score(a, b), score(a.float() / 255, b.float() / 255))


@ALL
def test_a_picture_is_judged_by_its_own_truth_alone(score):
    a, b = faces(), faces()
    together = score(a, b)
    torch.testing.assert_close(together, torch.cat([score(a[i : i + 1], b[i : i + 1]) for i in range(4)]))
    assert not torch.allclose(together, score(a, b.roll(1, 0)))


@ALL
def test_more_noise_is_worse(score):
    truth = torch.full((1, 3, 32, 32), 0.5)
    noise = torch.rand(1, 3, 32, 32) - 0.5
    assert score(truth + 0.1 * noise, truth) > score(truth + 0.5 * noise, truth)


@ALL
@pytest.mark.parametrize(
    ("images", "truth", "message"),
    [
        (torch.rand(2, 3, 32, 32), torch.rand(1, 3, 32, 32), "should be alike"),
        (torch.rand(2, 3, 32, 32) * 2 - 1, torch.rand(2, 3, 32, 32), r"in \[0, 1\]"),
        (torch.zeros(2, 3, 32, 32, dtype=torch.int64), torch.rand(2, 3, 32, 32), "torch.int64"),
    ],
)
def test_other_pictures_are_refused(score, images, truth, message):
    with pytest.raises(ValueError, match=message):
        score(images, truth)


def test_means_over_batches_are_those_of_all_images():
    a, b, metric = faces(5), faces(5), MeanNearness()
    for rows in (slice(2), slice(2, 5)):
        metric.update(a[rows], b[rows])
    wanted = {
        "psnr": psnr(a, b).mean().item(),
        "ssim": ssim(a, b).mean().item(),
        "ms_ssim": ms_ssim(a, b).mean().item(),
    }
    assert {name: mean.item() for name, mean in metric.compute().items()} == pytest.approx(wanted, rel=1e-6)


def test_where_there_is_no_room_for_two_scales_one_is_measured():
    a, b, metric = torch.rand(2, 3, 16, 40), torch.rand(2, 3, 16, 40), MeanNearness()
    metric.update(a, b)
    assert nearness(a, b).keys() == metric.compute().keys() == {"psnr", "ssim"}
