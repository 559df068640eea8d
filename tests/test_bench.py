"""What `make bench` says of itself, and the one of its rows that is a promise."""

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.slow
def test_tracking_takes_less_than_a_fiftieth_of_a_training(tmp_path):
    told = tmp_path / "bench.json"
    command = [sys.executable, "-m", "tools.bench", "tracking", "--json", str(told)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    row = json.loads(told.read_text())["tracking"]
    assert row["ratio"] == pytest.approx(row["tracking"] / row["train"], rel=0.1)
    assert 0 < row["ratio"] < 0.02
    assert f"ratio {row['ratio']:.3g}" in done.stdout


def test_a_row_that_there_is_not_is_named_with_those_that_there_are():
    done = subprocess.run([sys.executable, "-m", "tools.bench", "treking"], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert "no benchmark is named treking; there are rendering, reading, " in done.stderr
    assert "Traceback" not in done.stderr
