"""How C is shown images."""

import pytest
import torch

from pipeline.methods import views


def test_four_steps_see_an_image_at_four_places():
    x = torch.rand(1, 3, 8, 8)
    moved = [views.nudged(x, step) for step in range(4)]
    for step, (right, down) in enumerate([(0, 0), (1, 0), (0, 1), (1, 1)]):
        assert moved[step].shape == x.shape
        assert torch.equal(moved[step][..., 1:, 1:], x[..., 1 - down : 8 - down, 1 - right : 8 - right])


def test_a_blur_keeps_an_even_image_and_spreads_a_point_by_its_sigma():
    even = torch.full((1, 3, 16, 16), 0.25)
    torch.testing.assert_close(views.blurred(even, 1.5), even)
    point = torch.zeros(1, 3, 33, 33)
    point[:, :, 16, 16] = 1
    spread = views.blurred(point, 2.0)[0, 1]
    distance = torch.arange(33) - 16.0
    assert float(spread.sum()) == pytest.approx(1, abs=1e-5)
    assert float((spread.sum(0) * distance.square()).sum()) == pytest.approx(4, rel=0.25)  # cut off at two sigma
    assert views.blurred(point, 0.0) is point
