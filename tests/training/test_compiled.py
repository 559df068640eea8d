"""`train.compiled`: the same training by networks that torch compiles."""

import csv

import pytest

from pipeline import paths
from tests.training import projects
from tests.training.projects import Command

pytestmark = [pytest.mark.soak, pytest.mark.timeout(3600)]  # minutes of a compiler of C++ for each network


def curve(folder):
    with (folder / paths.TRAIN_CURVE).open() as file:
        return [{name: float(value) for name, value in row.items() if value} for row in csv.DictReader(file)]


@pytest.mark.parametrize("method", ["ipgan", "cvaegan"])
def test_compiled_networks_learn_what_others_learn(ready, tmp_path, method):
    curves = []
    for compiled in (False, True):
        sections = {"model": {"method": method}, "train": {"compiled": compiled, "precision": "32-true", "images": 24}}
        folder = projects.copy(ready, tmp_path / str(compiled), sections)
        code = tmp_path / f"code-{compiled}"
        command = Command(folder, TORCHINDUCTOR_CACHE_DIR=str(code))
        assert command.end(1800) == 0, command.said
        assert any(code.rglob("*.so")) == compiled
        curves.append(curve(folder))
    plain, compiled = curves
    assert len(plain) == len(compiled) > 0
    for one, other in zip(plain, compiled, strict=True):
        assert other == pytest.approx(one, rel=0.01, abs=1e-3)
