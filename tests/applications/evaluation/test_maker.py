"""Codes of photographs, looked up or made."""

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation.maker import Maker
from tests.applications.evaluation.test_leaks import Photographs

PHOTOGRAPHS = 150  # more than two chunks


class Network:
    """I says what the first pixel is, A the last; it counts how many images it is shown."""

    device = torch.device("cpu")

    def __init__(self):
        self.shown = 0
        self.networks = {"identity": self.first, "attributes": lambda x: (x[:, :, -1, -1], None)}

    def first(self, x):
        self.shown += len(x)
        return x[:, :, 0, 0], None


@pytest.fixture
def faces():
    images = np.random.default_rng(0).integers(0, 256, (PHOTOGRAPHS, 4, 4, 3), np.uint8)
    return Photographs(image=images, identity=np.array(["p"] * PHOTOGRAPHS))


@pytest.mark.parametrize("copied", [False, True])
def test_codes_that_are_known_are_those_of_the_images(faces, copied, monkeypatch):
    monkeypatch.setenv("FACET_WORKERS", "2")
    rows = np.random.default_rng(1).permutation(PHOTOGRAPHS)[:140]
    network = Network()
    maker = Maker(network).knowing(faces, rows, copied)
    assert network.shown == (0 if copied else 140)  # by copies, who count for themselves
    asked = rows[[5, 139, 5, 70]]
    found, wanted = maker.of(faces, asked), Maker(Network()).codes(faces.images(asked))
    assert network.shown == (0 if copied else 140)
    assert torch.equal(found.f_I, wanted.f_I)
    assert torch.equal(found.z, wanted.z)


def test_of_others_they_are_made(faces):
    network = Network()
    maker = Maker(network).knowing(faces, np.arange(10), copied=False)
    found, wanted = maker.of(faces, np.array([3, 20])), maker.codes(faces.images(np.array([3, 20])))
    assert torch.equal(found.f_I, wanted.f_I)
    assert network.shown == 10 + 2 + 2
