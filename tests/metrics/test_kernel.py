"""The kernel distance against a plain loop and torchmetrics' own."""

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from pipeline.metrics.kernel import KernelDistance, kernel_distance


def test_a_plain_loop():
    generator = torch.Generator().manual_seed(0)
    a, b = (torch.randn(n, 4, generator=generator, dtype=torch.float64) for n in (6, 9))

    def k(x, y):
        return (sum(p * q for p, q in zip(x.tolist(), y.tolist(), strict=True)) / 4 + 1) ** 3

    within = [sum(k(x, y) for x in s for y in s if x is not y) / (len(s) * (len(s) - 1)) for s in (list(a), list(b))]
    across = sum(k(x, y) for x in a for y in b) / 54
    # `is not` compares rows: each is a tensor of its own in the lists
    assert kernel_distance(a, b).item() == pytest.approx(sum(within) - 2 * across)


def test_torchmetrics_has_the_same():
    a, b = torch.randn(50, 16, dtype=torch.float64), torch.rand(50, 16, dtype=torch.float64)
    assert kernel_distance(a, b).item() == pytest.approx(poly_mmd(a, b, degree=3, gamma=None, coef=1.0).item())


def test_it_has_no_bias():
    """Of sets from one distribution it is 0 on average, however few there are."""
    generator = torch.Generator().manual_seed(0)
    draws = torch.stack([kernel_distance(*torch.randn(2, 10, 8, generator=generator)) for _ in range(400)])
    assert draws.mean().abs() < 3 * draws.std() / 20


def test_batches_and_order_make_no_difference():
    a, b = torch.randn(30, 8), torch.rand(20, 8)
    metric = KernelDistance()
    for part in a.flip(0).split(7):
        metric.update(part, real=True)
    metric.update(b, real=False)
    assert metric.compute().item() == pytest.approx(kernel_distance(a, b).item(), rel=1e-12)


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        (torch.zeros(1, 2), torch.zeros(3, 2), "at least 2"),
        (torch.zeros(3, 2), torch.zeros(3, 4), "should be"),
        (torch.full((3, 2), torch.inf), torch.zeros(3, 2), "not finite"),
    ],
)
def test_it_refuses(a, b, words):
    with pytest.raises(ValueError, match=words):
        kernel_distance(a, b)
