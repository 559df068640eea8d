"""Model files: back as they were, or refused with a sentence; never run."""

import pickle

import pytest
import torch
from torch import nn

from pipeline.training import weights
from pipeline.training.weights import FILE, WeightsError


def test_networks_and_facts_come_back(tmp_path):
    a, b = nn.Linear(3, 2), nn.Linear(3, 2)
    weights.save(tmp_path, {"net": a}, {"identities": 5})
    weights.load(tmp_path, {"net": b}, "dvc repro x")
    torch.testing.assert_close(a.weight, b.weight)
    assert weights.facts(tmp_path, "dvc repro x") == {"identities": 5}


def test_convolutions_in_channels_last_come_back(tmp_path):
    a, b = nn.Conv2d(3, 4, 3).to(memory_format=torch.channels_last), nn.Conv2d(3, 4, 3)
    weights.save(tmp_path, {"net": a}, {})
    weights.load(tmp_path, {"net": b}, "dvc repro x")
    torch.testing.assert_close(a.weight, b.weight)


def test_a_missing_model_says_how_to_make_it(tmp_path):
    with pytest.raises(WeightsError, match="is not there; make it with `dvc repro x`"):
        weights.facts(tmp_path, "dvc repro x")


@pytest.mark.parametrize("content", [b"", b"short", pickle.dumps({"a": 1}), b"\xff" * 100])
def test_a_damaged_model_is_refused(tmp_path, content):
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(WeightsError, match="is damaged"):
        weights.facts(tmp_path, "dvc repro x")


def test_a_cut_model_is_refused(tmp_path):
    weights.save(tmp_path, {"net": nn.Linear(30, 20)}, {})
    data = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(data[:-100])
    with pytest.raises(WeightsError, match="is damaged"):
        weights.load(tmp_path, {"net": nn.Linear(30, 20)}, "dvc repro x")


@pytest.mark.parametrize("other", [nn.Linear(3, 3), nn.Linear(3, 2, bias=False), nn.Sequential(nn.Linear(3, 2))])
def test_a_model_of_another_shape_is_refused(tmp_path, other):
    weights.save(tmp_path, {"net": nn.Linear(3, 2)}, {})
    with pytest.raises(WeightsError, match=r"is not as params\.yaml says"):
        weights.load(tmp_path, {"net": other}, "dvc repro x")
