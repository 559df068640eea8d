import pytest
import torch

from pipeline.networks import CodeClassifier, Generator
from pipeline.networks.generator import GAIN, ModulatedConv

INJECTIONS = ("modulation", "concatenation")


def generator(size=32, injection="modulation"):
    return Generator(size, width=4, identity_dim=8, attribute_dim=5, style_dim=16, injection=injection).eval()


@pytest.mark.parametrize("injection", INJECTIONS)
@pytest.mark.parametrize("size", [32, 64, 128, 256])
def test_an_image_of_every_size_params_allow_inside_the_range_of_pixels(size, injection):
    image = generator(size, injection)(torch.randn(2, 8), torch.randn(2, 5))
    assert image.shape == (2, 3, size, size)
    assert image.abs().max() <= 1


@pytest.mark.parametrize("injection", INJECTIONS)
def test_identity_and_attributes_both_change_the_image(injection):
    g, f_I, z = generator(injection=injection), torch.randn(2, 8), torch.randn(2, 5)
    image = g(f_I, z)
    assert not torch.allclose(image, g(f_I.flip(0), z), atol=1e-4)
    assert not torch.allclose(image, g(f_I, z.flip(0)), atol=1e-4)


@pytest.mark.parametrize("injection", INJECTIONS)
def test_every_parameter_learns(injection):
    g = generator(injection=injection)
    g(torch.randn(2, 8), torch.randn(2, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in g.parameters())


def test_no_style_makes_a_layer_louder():
    layer, x = ModulatedConv(8, 8, style_dim=4), torch.randn(1, 8, 6, 6)
    for parameter in (*layer.shift.parameters(), *layer.scale.parameters(), layer.bias):
        torch.nn.init.zeros_(parameter)
    quiet = layer(x, torch.zeros(1, 4))
    layer.scale.bias.data.fill_(50.0)  # all channels alike: nothing but loudness
    torch.testing.assert_close(layer(x, torch.zeros(1, 4)), quiet)


def test_a_layer_keeps_the_variance_of_what_goes_through():
    layer, x = ModulatedConv(64, 64, style_dim=0), torch.randn(4, 64, 16, 16)
    out = layer(x, None)[:, :, 1:-1, 1:-1]
    assert float(out.square().mean()) == pytest.approx(GAIN**2 * (1 + 0.2**2) / 2, rel=0.1)


def test_the_code_classifier_scores_every_person():
    assert CodeClassifier(5, 7)(torch.randn(3, 5)).shape == (3, 7)
