"""A probe reads what lies on a line, and nothing where there is nothing."""

import pytest
import torch

from pipeline.metrics.attributes import Attribute
from pipeline.metrics.probes import STRENGTHS, ProbeAccuracy, ProbeError, classify, predict, read


@pytest.fixture
def draw():
    generator = torch.Generator().manual_seed(0)
    return lambda *shape: torch.randn(*shape, generator=generator, dtype=torch.float64)


def test_what_lies_on_a_line_is_read(draw):
    x, x_new, weight = draw(100, 5), draw(50, 5), draw(5, 2)
    assert torch.allclose(predict(x * 100 + 7, x @ weight + 3, x_new * 100 + 7), x_new @ weight + 3, atol=1e-2)


def test_where_there_is_nothing_to_read_the_mean_is_the_answer(draw):
    """With more numbers than rows, too, where a line could be laid through anything."""
    x, y, x_new = draw(80, 200), draw(80, 1), draw(500, 200)
    assert predict(x, y, x_new).std() < 0.3 * y.std()


def test_leaving_each_row_out_has_the_closed_form(draw):
    """The strength that is chosen is the one that a plain loop over left-out rows would choose."""
    x, weight = draw(30, 12), draw(12, 1)
    y = x @ weight + 3 * draw(30, 1)
    z = (x - x.mean(0)) / x.std(0)
    errors = []
    for strength in STRENGTHS * 30:
        left_out = []
        for i in range(30):
            rows = torch.arange(30) != i
            ones = torch.cat([z, torch.ones(30, 1, dtype=torch.float64)], 1)
            penalty = strength * torch.eye(13, dtype=torch.float64)
            penalty[-1, -1] = 0
            w = torch.linalg.solve(ones[rows].T @ ones[rows] + penalty, ones[rows].T @ y[rows])
            left_out.append((ones[i] @ w - y[i]).square())
        errors.append(torch.stack(left_out).mean())
    best = (STRENGTHS * 30)[torch.stack(errors).argmin()]
    w = torch.linalg.solve(z.T @ z + best * torch.eye(12, dtype=torch.float64), z.T @ (y - y.mean(0)))
    assert torch.allclose(predict(x, y, x), z @ w + y.mean(0))


def test_classes_that_lie_apart_are_told_apart_and_others_are_not(draw):
    labels = torch.arange(4).repeat(25) * 10
    apart, nothing = draw(100, 8), draw(100, 8)
    apart[torch.arange(100), labels // 10] += 8
    assert (classify(apart[:60], labels[:60], apart[60:]) == labels[60:]).all()
    assert (classify(nothing[:60], labels[:60], nothing[60:]) == labels[60:]).float().mean() < 0.6


HUE = Attribute("circular", 0.0, 360.0)


def on_the_circle(hue: torch.Tensor) -> torch.Tensor:
    turn = hue / 360 * 2 * torch.pi
    return torch.stack([turn.sin(), turn.cos()], 1)


def test_an_angle_is_read_around_the_circle():
    hue = torch.tensor([350.0, 10, 30, 330, 180, 190, 170, 90])
    said = read(HUE, on_the_circle(hue), hue.double(), on_the_circle(hue))
    assert torch.allclose(said, hue.double(), atol=1.0)


def test_batches_are_read_by_a_probe_that_was_fitted_to_all_others():
    hue, turned = torch.arange(0.0, 360, 15), torch.arange(5.0, 360, 20)
    error = ProbeError(HUE)
    for part in hue.split(5):
        error.update(on_the_circle(part), part, fitted=True)
    for part in turned.split(7):
        error.update(on_the_circle(part), part + 10, fitted=False)  # each is said to be further round than it is
    assert error.compute().item() == pytest.approx(10, abs=0.1)


def test_a_share_of_classes_is_read(draw):
    apart, labels, accuracy = torch.eye(3).repeat(20, 1) * 8 + draw(60, 3), torch.arange(3).repeat(20), ProbeAccuracy()
    accuracy.update(apart[:30], labels[:30], fitted=True)
    accuracy.update(apart[30:45], labels[30:45], fitted=False)
    accuracy.update(apart[45:], labels[45:] + 1, fitted=False)  # wrong, every one
    assert accuracy.compute().item() == 0.5


@pytest.mark.parametrize(
    ("x", "y", "words"),
    [
        (torch.zeros(4, 2), torch.zeros(3, 1), "do not match"),
        (torch.zeros(2, 2), torch.zeros(2, 1), "at least 3"),
        (torch.full((4, 2), torch.nan), torch.zeros(4, 1), "not finite"),
    ],
)
def test_it_refuses(x, y, words):
    with pytest.raises(ValueError, match=words):
        predict(x, y, x)
