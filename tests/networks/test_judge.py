"""The judge reads fine attributes close by, where it says itself that they are."""

import pytest
import torch

from pipeline.networks import Closeup, JudgeNetwork
from pipeline.networks.judge import cropped

MOUTH = Closeup((3, 4), 0.5, 0.25, (1, 2))


def pointing(x: float, y: float) -> torch.Tensor:
    """Landmarks [1, 5, 2] of which the mouth's corners have this middle; the others lie elsewhere."""
    points = torch.zeros(1, 5, 2)
    points[0, 3], points[0, 4] = torch.tensor([x - 0.1, y]), torch.tensor([x + 0.1, y])
    return points


@pytest.mark.parametrize(
    ("middle", "left", "top"),
    [((0.0, 0.0), 8, 12), ((0.25, -0.25), 12, 8), ((-1.0, 1.0), 0, 24), ((5.0, -5.0), 16, 0)],
)
def test_a_part_is_cut_out_around_its_landmarks_and_never_beyond_the_border(middle, left, top):
    x = torch.arange(3 * 32 * 32, dtype=torch.float32).reshape(1, 3, 32, 32)
    part = cropped(x, MOUTH, pointing(*middle))
    torch.testing.assert_close(part, x[:, :, top : top + 8, left : left + 16])


def test_each_image_has_its_own_part():
    x = torch.rand(3, 3, 32, 32)
    landmarks = torch.cat([pointing(0, 0), pointing(0.3, 0.5), pointing(-0.4, 0.2)])
    together = cropped(x, MOUTH, landmarks)
    alone = [cropped(x[i : i + 1], MOUTH, landmarks[i : i + 1]) for i in range(3)]
    torch.testing.assert_close(together, torch.cat(alone))


def test_what_is_read_close_by_depends_on_that_part_alone_and_nothing_else_does():
    torch.manual_seed(0)
    network = JudgeNetwork(32, 8, 16, 4, 5, [MOUTH]).eval()
    last = network.landmarks[-1]
    torch.nn.init.zeros_(last.weight)  # it takes the mouth to be in the middle, whatever it sees
    torch.nn.init.zeros_(last.bias)
    x = torch.rand(1, 3, 32, 32)
    inside, outside = x.clone(), x.clone()
    inside[:, :, 12:20, 8:24] = 0
    outside[:, :, :8] = 0
    with torch.no_grad():
        said, far = (network(image).attributes for image in (x, outside))
        near = network(inside).attributes
    close, rest = [1, 2], [0, 3, 4]
    torch.testing.assert_close(said[:, close], far[:, close], rtol=0, atol=0)
    assert not torch.allclose(said[:, close], near[:, close])
    assert not torch.allclose(said[:, rest], far[:, rest])


def test_without_parts_it_reads_all_from_the_whole():
    network = JudgeNetwork(32, 8, 16, 4, 5)
    said = network(torch.rand(2, 3, 32, 32))
    assert [tuple(part.shape) for part in said] == [(2, 16), (2, 4), (2, 5), (2, 5, 2)]
