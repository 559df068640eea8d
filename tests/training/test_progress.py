"""What a person sees of a fit: lines in a file, a bar on a terminal, a table at the end."""

import logging
import os
import pty
import re
import subprocess
import sys
import termios

import pytest

from pipeline.training.progress import summary, watched
from tests.conftest import ROOT
from tests.training.test_fit import Steps, fit
from tests.training.test_validation import Look
from tests.training.test_validation import fit as validated


def test_in_a_file_each_point_is_a_line_and_the_end_a_table(tmp_path, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    fit(tmp_path, Steps())
    *lines, table = [record.getMessage() for record in caplog.records]
    assert len(lines) == 6
    assert re.fullmatch(r"8 of 24 images, \d+/s, \d+\.\d min left  L_GR_cross \S+  L_GC \S+  L_KL \S+", lines[1])
    assert re.search(r"^train/L_GR_same +\S+ +\S+ +20$", table, re.MULTILINE)


def test_what_validation_says_is_a_line_of_its_own(tmp_path, caplog):
    caplog.set_level(logging.INFO, "pipeline")
    validated(tmp_path, Look(), 12)
    said = [record.getMessage() for record in caplog.records if "val/mean" in record.getMessage()]
    assert [line.split("  ")[0] for line in said[:-1]] == ["12 images", "24 images"]
    assert "val/mean" in said[-1]  # the table


def test_of_all_values_those_that_matter_are_shown_in_their_order():
    assert watched({"train/L_KL": 12.345, "train/L_Q": 1.0, "val/own_subject": 0.5, "train/L_GR_same": 400}) == (
        "L_GR_same 400  L_KL 12.3  own_subject 0.5"
    )


def test_the_table_has_the_first_and_the_last_of_each_curve():
    points = [(8, {"train/a": 3.0}), (8, {"val/b": 0.1}), (16, {"train/a": 2.0}), (24, {"train/a": 1.0})]
    rows = [line.split() for line in summary(points).splitlines()]
    assert rows == [["first", "last", "images"], ["train/a", "3", "1", "24"], ["val/b", "0.1", "0.1", "8"]]
    assert len({len(line) for line in summary(points).splitlines()}) == 1


@pytest.mark.slow
def test_on_a_terminal_there_is_one_bar_and_no_line_but_those_of_validation(tmp_path):
    script = """
import logging, sys
from pathlib import Path
logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
from tests.training.test_validation import Look, fit
fit(Path(sys.argv[1]), Look(), 12)
"""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (40, 160))
    env = os.environ | {"PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(
        [sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, env=env, stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    said = b""
    try:
        while part := os.read(ours, 65536):
            said += part
    except OSError:  # the other end is closed
        pass
    finally:
        os.close(ours)
    assert process.wait() == 0
    states = [line.strip() for line in re.split(r"[\r\n]+", said.decode())]
    assert any(re.match(r"100% █+ +24/24, +\S+ images/s, 00:00 left, L_GR_same \S+  L_GR_cross ", s) for s in states)
    assert [s.split("  ")[0] for s in states if re.match(r"\d+ images  val/mean", s)] == ["12 images", "24 images"]
    assert not [s for s in states if "min left" in s]
    assert any(re.match(r"train/L_KL +\S+ +\S+ +24$", s) for s in states)
