"""What the tools take on their command lines."""

import subprocess
import sys

import pytest

from tests.conftest import ROOT


@pytest.mark.parametrize(
    "asked",
    [
        ["use_quality", "--people", "0"],
        ["use_quality", "--frames", "2"],
        ["edit_quality", "--heads", "1"],
        ["augment_quality", "--people", "1"],
        ["bench_use", "--rounds", "-1"],
        ["bench_use", "--pictures", "many"],
    ],
)
def test_a_number_that_nothing_can_be_made_of_is_refused_at_once(asked):
    tool, option, value = asked
    command = [sys.executable, "-m", f"tools.{tool}", option, value]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    said = done.stderr.strip().splitlines()[-1]
    assert option in said
    assert "should be a whole number from" in said
    assert f"(got {value})" in said
