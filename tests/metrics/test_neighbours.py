"""Points that one can draw, and the definitions written out."""

import pytest
import torch

from pipeline.metrics.neighbours import NeighbourMetrics, prdc


def by_definition(real, fake, k):
    """Naeem et al. 2020, equations 1 to 4, pair by pair."""

    def radius(points, i):
        return sorted((points[i] - p).norm().item() for j, p in enumerate(points) if j != i)[k - 1]

    inside = torch.tensor([[(f - r).norm() <= radius(real, i) for f in fake] for i, r in enumerate(real)])
    around = torch.tensor([[(r - f).norm() <= radius(fake, j) for j, f in enumerate(fake)] for r in real])
    means = (inside.any(0), around.any(1), inside.float().sum(0) / k, inside.any(1))
    return [m.double().mean().item() for m in means]


@pytest.mark.parametrize("k", [1, 3])
def test_definitions(k):
    generator = torch.Generator().manual_seed(k)
    real = torch.randn(40, 3, generator=generator, dtype=torch.float64)
    fake = torch.randn(25, 3, generator=generator, dtype=torch.float64) + 0.5
    assert list(prdc(real, fake, k)) == pytest.approx(by_definition(real, fake, k))


def test_points_on_a_line():
    """Real ones at 0, 1, 2 and 10: balls of 1, 1, 1 and 8."""
    real = torch.tensor([[0.0], [1.0], [2.0], [10.0]])
    fake = torch.tensor([[0.5], [-5.0]])  # in the balls of 0 and 1; in none
    got = prdc(real, fake, k=1)
    assert got.precision == 0.5
    assert got.density == 1.0  # two balls over two images
    assert got.coverage == 0.5
    assert got.recall == 0.75  # both balls of 5.5, around 0.5 and -5, end short of 10


def test_one_good_face_again_and_again_is_precise_and_covers_little():
    real = torch.randn(200, 4, generator=torch.Generator().manual_seed(0))
    got = prdc(real, real[:1].expand(100, 4) + 1e-6 * torch.randn(100, 4))
    assert got.precision == 1
    assert got.coverage < 0.1
    assert got.recall < 0.1


def test_far_away_is_nothing():
    real = torch.randn(50, 4)
    assert prdc(real, real + 100) == (0, 0, 0, 0)


def test_batches_make_no_difference():
    real, fake = torch.randn(60, 4), torch.randn(50, 4)
    metric = NeighbourMetrics(k=3)
    for part in real.split(7):
        metric.update(part, real=True)
    for part in fake.split(9):
        metric.update(part, real=False)
    assert {name: value.item() for name, value in metric.compute().items()} == prdc(real, fake, 3)._asdict()


@pytest.mark.parametrize(
    ("real", "fake", "words"),
    [
        (torch.zeros(5, 2), torch.zeros(9, 2), "5 real and 9 synthesized"),
        (torch.zeros(9, 2), torch.zeros(9, 3), "should be"),
        (torch.full((9, 2), torch.nan), torch.zeros(9, 2), "not finite"),
    ],
)
def test_it_refuses(real, fake, words):
    with pytest.raises(ValueError, match=words):
        prdc(real, fake)
