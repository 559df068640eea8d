"""Counts of known networks, worked out by hand."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.optim import SGD, Adam

from pipeline.training import cost


def measured(network, x, steps=cost.STEPS):
    """Steps of a network as a Trainer would run them."""
    module = nn.Module()
    module.network, module.device = network, torch.device("cpu")
    optimizer = Adam(network.parameters())
    measure = cost.Measure({"network": network})
    for i in range(steps):
        batch = SimpleNamespace(same=i % 2 == 0)
        measure.on_train_batch_start(None, module, batch, i)
        network(x if batch.same else x[:1]).sum().backward()
        optimizer.step()
        measure.on_train_batch_end(None, module, None, batch, i)
    measure.on_train_end(SimpleNamespace(optimizers=[optimizer]), module)
    return measure


def test_a_convolution_costs_two_operations_a_weight_and_place_forward_and_twice_that_backward():
    x = torch.rand(4, 3, 8, 8, requires_grad=True)
    measure = measured(nn.Conv2d(3, 16, 3, padding=1, bias=False), x)
    forward = 2 * (16 * 3 * 3 * 3) * (8 * 8)  # an image: each weight at each place, multiply and add
    assert measure.flops == {True: 4 * 3 * forward, False: 3 * forward}


def test_an_image_that_nobody_learns_from_saves_a_third():
    measure = measured(nn.Conv2d(3, 16, 3, padding=1, bias=False), torch.rand(1, 3, 8, 8))
    assert measure.flops[True] == 2 * 2 * (16 * 3 * 3 * 3) * (8 * 8)


def test_steps_are_timed_after_the_warm_up_by_kind():
    measure = measured(nn.Linear(2, 2), torch.rand(4, 2))
    assert [len(seconds) for seconds in measure.seconds.values()] == [cost.TIMED // 2] * 2
    assert all(s > 0 for seconds in measure.seconds.values() for s in seconds)


def test_memory_is_what_stays_between_steps():
    network = nn.Linear(10, 5)
    network.bias.requires_grad_(False)
    memory = measured(network, torch.rand(4, 10)).memory
    assert (memory.parameters, memory.gradients, memory.averages) == (55 * 4, 50 * 4, 55 * 4)
    assert memory.optimizers == (2 * 50 + 1) * 4  # two means a weight, and Adam's count of steps
    assert memory.peak > memory.parameters


def test_an_optimizer_without_a_memory_takes_none():
    assert cost.state_size(SGD(nn.Linear(2, 2).parameters(), lr=0.1)) == 0


def test_a_network_counts_what_learns():
    network = nn.Linear(10, 5)
    network.bias.requires_grad_(False)
    assert cost.parameters(network) == (55, 50)


@pytest.mark.parametrize(("every", "mean"), [(2, 15.0), (4, 12.5), (10, 11.0)])
def test_one_step_in_so_many_is_of_two_people(every, mean):
    assert cost.of_a_step(10.0, 20.0, every) == mean
    assert cost.seconds_of_a_step({True: [10, 10, 99], False: [20, 20, 1]}, every) == mean
