"""The bench of `recombine` and `act`, small: its clock, and that both ways of acting make the same film."""

import json
import sys

import cv2
import numpy as np
import pytest
import torch

from tests.applications.acting import filming
from tests.applications.test_recombine import save_model
from tools import bench_use
from tools.bench_use import Bench


def test_a_stage_within_another_counts_for_itself_alone(monkeypatch):
    now = iter([0.0, 10.0, 13.0, 20.0, 100.0, 101.0])
    monkeypatch.setattr(bench_use.time, "perf_counter", lambda: next(now))
    clock = bench_use.Clock(lambda: 0.0)
    with clock.stage("write"), clock.stage("encode"):
        pass
    with clock.stage("encode"):
        pass
    assert clock.wall == {"write": 17, "encode": 4}


@pytest.mark.shared
@pytest.mark.slow
def test_the_stages_are_those_of_the_commands_and_both_ways_give_one_film(tmp_path, shared, monkeypatch, capsys):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    monkeypatch.setattr(bench_use, "GRID", 2)
    made = []
    monkeypatch.setattr(bench_use, "Bench", lambda *how: made.append(Bench(*how)) or made[0])
    monkeypatch.setattr(sys, "argv", ["bench_use", "--pictures", "20", "--rounds", "1", "--json", "out.json"])
    assert bench_use.main() == 0
    said = json.loads((tmp_path / "out.json").read_text())
    assert said["trained"] is True
    assert set(said["recombine_grid"]["stages"]) == {"decode", "detect", "align", "encode", "synthesize", "write"}
    assert set(said["act"]["in_turn"]["stages"]) == {
        "decode", "detect", "align", "encode", "synthesize", "steady", "paste", "write",
    }  # fmt: skip
    for row in (said["recombine_pair"], said["act"]["in_turn"], said["act"]["at_once"]):
        assert row["per_second"] > 0
        assert 0 < row["networks_share_wall"] < 1
    one, other = (filming.pictures(made[0].place / f"{name}.mp4") for name in ("in_turn", "at_once"))
    assert len(one) == len(other) == 20
    assert all(np.array_equal(a, b) for (_, a), (_, b) in zip(one, other, strict=True))
    assert "recombine, pair" in capsys.readouterr().out


@pytest.fixture(autouse=True)
def threads():
    """Which the bench sets, as they were."""
    before = torch.get_num_threads(), cv2.getNumThreads()
    yield
    torch.set_num_threads(before[0])
    cv2.setNumThreads(before[1])
