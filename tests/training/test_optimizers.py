"""Which optimizer moves which weights."""

import copy
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from pipeline.methods import ipgan_networks
from pipeline.networks import Generator, JudgeNetwork
from pipeline.params import load_params
from pipeline.training.optimizers import Muon, optimizers, orthogonal, take_step
from tests.conftest import ROOT

BETAS = (0.9, 0.99)


def network(memory_format=torch.contiguous_format):
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.Conv2d(16, 32, 3), nn.Conv2d(32, 16, 3), nn.Flatten(), nn.Linear(64, 24)
    )
    return body.to(memory_format=memory_format)


def one_step(net, made, seed=1, factor=1.0):
    torch.manual_seed(seed)
    net(torch.randn(4, 3, 8, 8)).square().sum().backward()
    take_step(SimpleNamespace(optimizers=lambda: made), factor)


@pytest.fixture(params=[True, False], ids=["bf16", "full"])
def arithmetic(request, monkeypatch):
    """A processor that has bf16, and one that would emulate it."""
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: {"avx512_bf16": request.param})
    return request.param


@pytest.mark.parametrize("shape", [(32, 16, 3, 3), (64, 16), (16, 64), (24, 24)])
def test_a_kernel_moves_as_torchs_muon_moves_its_matrix(arithmetic, shape):
    torch.manual_seed(0)
    weight = nn.Parameter(torch.randn(shape))
    start = weight.detach().flatten(1).clone()
    matrix = nn.Parameter(start.clone())
    ours = Muon([weight], lr=0.1, momentum=0.9)
    torchs = torch.optim.Muon([matrix], lr=0.1, momentum=0.9, weight_decay=0.0, ns_steps=3)
    for _ in range(3):  # the momentum of earlier steps counts too
        weight.grad = torch.randn(shape)
        matrix.grad = weight.grad.flatten(1).clone()
        ours.step()
        torchs.step()
    assert ours.precision == (torch.bfloat16 if arithmetic else torch.float32)
    moved = matrix - start
    assert (weight.flatten(1) - matrix).norm() < 0.04 * moved.norm()  # torch's rounds to bf16, ours may
    assert ours.state_dict()["state"][0].keys() == torchs.state_dict()["state"][0].keys()


@pytest.mark.parametrize("shape", [(64, 16), (16, 64)])
def test_in_full_precision_a_step_is_that_of_bf16_but_for_its_rounding(monkeypatch, shape):
    torch.manual_seed(0)
    start, gradient, weights = torch.randn(shape), torch.randn(shape), []
    for has in (True, False):
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda has=has: {"avx512_bf16": has})
        weights.append(nn.Parameter(start.clone()))
        weights[-1].grad = gradient.clone()
        Muon([weights[-1]], lr=0.1, momentum=0.9).step()
    moved = weights[0] - start
    assert (weights[1] - weights[0]).norm() < 0.02 * moved.norm()


def test_in_full_precision_the_steps_are_those_of_newton_and_schulz():
    x = torch.randn(8, 20, dtype=torch.float64)
    expected = x / x.norm()
    for _ in range(3):
        gram = expected @ expected.T
        expected = 3.4445 * expected - 4.775 * gram @ expected + 2.0315 * gram @ gram @ expected
    for given, wanted in ((x, expected), (x.T, expected.T)):
        torch.testing.assert_close(orthogonal(given), wanted, atol=1e-12, rtol=0)


def test_weights_of_double_precision_move_in_it():
    weight = nn.Parameter(torch.randn(16, 32, dtype=torch.float64))
    assert Muon([weight], lr=0.1, momentum=0.9).precision == torch.float64


def test_a_step_pushes_in_every_direction_alike(arithmetic):
    weight = nn.Parameter(torch.zeros(32, 16, 3, 3))
    weight.grad = torch.randn(32, 16, 3, 3) * torch.linspace(0.3, 1, 32)[:, None, None, None]
    Muon([weight], lr=1.0, momentum=0.9).step()
    s = torch.linalg.svdvals(weight.detach().flatten(1))
    assert s.max() / s.min() < 3
    assert s.min() > 0.3
    assert s.max() < 1.6


def test_the_order_in_memory_changes_nothing_but_rounding():
    plain, last = network(), network(torch.channels_last)
    for net in (plain, last):
        one_step(net, optimizers(net, 1e-3, 0.1, BETAS))
    for a, b in zip(plain.parameters(), last.parameters(), strict=True):
        torch.testing.assert_close(a, b, atol=2e-3, rtol=0)  # a step has 0.1; Newton-Schulz runs in bf16


def test_muon_moves_the_matrices_and_adam_the_rest():
    net = network()
    adam, muon = optimizers(net, 1e-3, 0.1, BETAS)
    by_muon = {id(p) for p in muon.weights}
    by_adam = {id(p) for group in adam.param_groups for p in group["params"]}
    assert by_muon == {id(net[1].weight), id(net[2].weight), id(net[4].weight)}
    assert by_adam == {id(p) for p in net.parameters()} - by_muon


def test_without_a_rate_for_matrices_adam_moves_all():
    net = network()
    (adam,) = optimizers(net, 1e-3, 0.0, BETAS)
    assert sum(len(group["params"]) for group in adam.param_groups) == len(list(net.parameters()))


@pytest.mark.parametrize("matrix_learning_rate", [0.0, 0.1])
def test_a_step_moves_every_weight_and_leaves_no_gradient(matrix_learning_rate):
    net = network(torch.channels_last)
    before = copy.deepcopy(net)
    one_step(net, optimizers(net, 1e-3, matrix_learning_rate, BETAS))
    for a, b in zip(before.parameters(), net.parameters(), strict=True):
        assert not torch.equal(a, b)
    assert all(p.grad is None for p in net.parameters())


def test_the_factor_is_of_the_first_rate_however_often():
    made = optimizers(network(), 1e-3, 0.1, BETAS)
    for factor in (0.5, 0.25, 1.0, 0.0):
        take_step(SimpleNamespace(optimizers=lambda: made), factor)
        assert [group["lr"] for o in made for group in o.param_groups] == [factor * 1e-3, factor * 0.1]


def test_a_resumed_optimizer_goes_on_as_if_nothing_had_happened():
    straight = network(torch.channels_last)
    made = optimizers(straight, 1e-3, 0.1, BETAS)
    one_step(straight, made, seed=1, factor=0.5)
    resumed = copy.deepcopy(straight)
    again = optimizers(resumed, 1e-3, 0.1, BETAS)
    for new, old in zip(again, made, strict=True):
        new.load_state_dict(copy.deepcopy(old.state_dict()))
    for net, own in ((straight, made), (resumed, again)):
        one_step(net, own, seed=2)
    for a, b in zip(straight.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(a, b)


def test_the_views_are_of_the_weights_themselves_after_a_load():
    net = Generator(32, 8, 16, 8, 16, "modulation").to(memory_format=torch.channels_last)
    made = optimizers(net, 1e-3, 0.1, BETAS)
    net.load_state_dict(copy.deepcopy(net).state_dict())
    weight = net.first.weight.detach().clone()
    net(torch.randn(2, 16), torch.randn(2, 8)).square().sum().backward()
    take_step(SimpleNamespace(optimizers=lambda: made), 1.0)
    assert (net.first.weight - weight).abs().max() > 1e-4


def test_muon_is_given_no_copy_of_any_weight_of_the_committed_networks():
    params = load_params(ROOT / "params.yaml")
    made = {**ipgan_networks.networks(params.model, 64, 20), "judge": JudgeNetwork(64, params.judge.width, 32, 20, 20)}
    for name, network in made.items():
        network.to(memory_format=torch.channels_last)
        for muon in optimizers(network, 1e-3, 0.1, BETAS)[1:]:
            for weight, matrix in zip(muon.weights, muon.param_groups[0]["params"], strict=True):
                assert weight.data_ptr() == matrix.data_ptr(), (name, weight.shape)
