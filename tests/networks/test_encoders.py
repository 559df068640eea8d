"""I, C and A: shapes, scales, and what the inner layers are."""

import pytest
import torch
from torch.nn.functional import normalize

from pipeline.networks import AttributeEncoder, Recogniser


@pytest.mark.parametrize("size", [32, 64, 128])
def test_inner_layers_halve_and_are_those_that_f_is_made_of(size):
    net = Recogniser(size, 4, 8, 3, normalized=False).eval()
    x = torch.rand(2, 3, size, size) * 2 - 1
    inner = net.inner(x)
    assert [f.shape[-1] for f in inner] == [size // 2, size // 4, size // 8]
    torch.testing.assert_close(net.pool(net.blocks[2:](inner[-1])), net(x)[0])


def test_normalized_features_have_unit_length_and_scores_are_cosines():
    f, scores = Recogniser(32, 4, 8, 3, normalized=True)(torch.rand(2, 3, 32, 32))
    torch.testing.assert_close(f.norm(dim=1), torch.ones(2))
    assert scores.abs().max() <= 1


def test_cosines_have_all_their_digits_under_autocast():
    net = Recogniser(32, 4, 64, 3, normalized=True)
    with torch.autocast("cpu", torch.bfloat16):
        f, scores = net(torch.rand(2, 3, 32, 32))
    assert scores.dtype == torch.float32
    assert torch.equal(scores, f @ normalize(net.head.weight, dim=1).T)


def test_a_variance_stays_within_what_means_something():
    net = AttributeEncoder(32, 4, 6)
    net.head.bias.data[6:] = torch.tensor([-100.0, 100, 0, 0, 0, 0])
    mu, logvar = net(torch.zeros(2, 3, 32, 32))
    assert mu.shape == logvar.shape == (2, 6)
    assert logvar[0, 0].item() == -8
    assert logvar[0, 1].item() == 4
