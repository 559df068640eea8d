"""Attributes of any unit, to what a network regresses and back."""

from typing import NamedTuple

import numpy as np
import pytest
import torch

from pipeline.judges.scales import attribute_loss, decode, outputs


class D(NamedTuple):
    name: str
    kind: str
    low: float
    high: float


ALL = (D("yaw", "continuous", -45, 45), D("hue", "circular", 0, 360), D("glasses", "binary", 0, 1))


def network_answer(yaw, hue, glasses):
    angle = 2 * np.pi * hue / 360
    return np.array([[yaw / 45, np.sin(angle), np.cos(angle), glasses]], np.float32)


def test_a_circular_attribute_takes_two_outputs():
    assert outputs(ALL) == 4


@pytest.mark.parametrize("hue", [0, 90, 350])
def test_answers_come_back_in_their_units(hue):
    values = decode(network_answer(30, hue, 9.0), ALL)
    assert values["yaw"] == pytest.approx([30], abs=1e-3)
    assert values["hue"] % 360 == pytest.approx([hue], abs=1e-2)
    assert values["glasses"] > 0.99


def test_the_right_answer_costs_nothing_and_a_wrong_one_does():
    true = torch.tensor([[30.0, 350.0, 1.0]])
    right = torch.from_numpy(network_answer(30, 350, 20.0))
    assert attribute_loss(right, true, ALL) == pytest.approx(0, abs=1e-5)
    for wrong in (network_answer(-30, 350, 20.0), network_answer(30, 170, 20.0), network_answer(30, 350, -20.0)):
        assert attribute_loss(torch.from_numpy(wrong), true, ALL) > 0.1


def test_just_past_the_top_is_just_past_the_bottom():
    near = torch.from_numpy(network_answer(0, 359, 20.0))
    assert attribute_loss(near, torch.tensor([[0.0, 1.0, 1.0]]), ALL) < 0.01
