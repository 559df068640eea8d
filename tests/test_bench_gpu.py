"""The benchmark of a GPU, as far as it goes without one."""

import pytest
import torch

from pipeline.errors import UserError
from tests.conftest import ROOT
from tools import bench_gpu
from tools.bench_gpu import best_convolution, params_of, steps


def test_a_profile_is_taken_with_another_batch_size():
    p = params_of(ROOT / "profiles" / "gpu", 64)
    assert (p.data.image_size, p.model.width, p.train.batch_size) == (128, 64, 64)
    assert p.losses.ipgan.adversarial > 0


def test_a_setting_that_there_is_not_is_named_in_a_sentence(tmp_path):
    (tmp_path / "mine").write_text("-S train.imagez=3")
    with pytest.raises(UserError, match=r"mine: .*train\.imagez"):
        params_of(tmp_path / "mine", 64)


def test_steps_are_made_timed_and_counted(monkeypatch):
    monkeypatch.setattr(bench_gpu, "ROUNDS", 1)
    monkeypatch.setattr(bench_gpu, "WARM_UP", 1)
    p, cpu = params_of(ROOT / "profiles" / "smoke", 4), torch.device("cpu")
    speed = steps(p, False, cpu)
    assert min(speed) > 0
    assert best_convolution(p, cpu) > 0
