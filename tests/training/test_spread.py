"""Parts of some work, shared by real processes: all are done, once, in order, and the first alone goes on."""

import json
import os
import subprocess
import sys

import pytest

from pipeline.training.spread import CHUNK, chunks, spread
from tests.conftest import ROOT

SCRIPT = """
import json, os, signal, sys
from pathlib import Path
from pipeline.errors import UserError
from pipeline.training.spread import spread

def work(part):
    if part == fails:
        raise UserError(f"part {part} is damaged")
    if part == broken:
        raise RuntimeError(f"part {part} is broken")
    if part == killed:
        os.kill(os.getpid(), signal.SIGKILL)
    return part, int(os.environ.get("LOCAL_RANK", 0))

folder, parts, fails, broken, killed = Path(sys.argv[1]), *map(int, sys.argv[2:])
rank = os.environ.get("LOCAL_RANK", "0")
try:
    found = list(spread(work, parts))
    found += spread(lambda part: (part, "alone"), 2)  # nobody is left to share this with
except UserError as error:
    (folder / f"error{rank}").write_text(str(error))
    sys.exit(1)
(folder / f"found{rank}.json").write_text(json.dumps(found))
"""


def run(folder, devices, parts, fails=-1, broken=-1, killed=-1):
    script = folder / "work.py"
    script.write_text(SCRIPT)
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    command = [sys.executable, str(script), str(folder), *map(str, (parts, fails, broken, killed))]
    env |= {"FACET_DEVICES": str(devices)}
    return subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)


def test_one_process_does_all_parts():
    assert list(spread(lambda part: part * part, 4)) == [0, 1, 4, 9]


def test_rows_fall_into_parts_of_which_the_last_is_short():
    rows = range(2 * CHUNK + 3)
    assert [len(part) for part in chunks(rows)] == [CHUNK, CHUNK, 3]
    assert [row for part in chunks(rows) for row in part] == list(rows)
    assert chunks(rows[:0]) == []


@pytest.mark.slow
@pytest.mark.parametrize("parts", [7, 1])
def test_every_part_is_done_once_also_where_their_number_does_not_divide(tmp_path, parts):
    done = run(tmp_path, 3, parts)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path.name for path in tmp_path.glob("found*")] == ["found0.json"]
    found = json.loads((tmp_path / "found0.json").read_text())
    assert found == [[part, part % 3] for part in range(parts)] + [[0, "alone"], [1, "alone"]]


@pytest.mark.slow
@pytest.mark.parametrize("fails", [2, 3])  # the first process's part, the second's
def test_a_persons_mistake_met_by_any_process_is_said_once_by_the_first(tmp_path, fails):
    done = run(tmp_path, 2, 6, fails=fails)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert {path.name: path.read_text() for path in tmp_path.glob("error*")} == {"error0": f"part {fails} is damaged"}
    assert not list(tmp_path.glob("found*"))


@pytest.mark.slow
def test_a_programmers_mistake_in_another_process_ends_all_with_its_traceback(tmp_path):
    done = run(tmp_path, 2, 6, broken=3)
    assert done.returncode != 0
    assert "RuntimeError: part 3 is broken" in done.stderr
    assert not list(tmp_path.glob("found*"))


@pytest.mark.slow
def test_a_process_that_is_killed_takes_the_others_with_it_and_is_named(tmp_path):
    done = run(tmp_path, 3, 9, killed=4)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert (tmp_path / "error0").read_text().startswith("process 1 of 3 died: run the command again")
    assert not list(tmp_path.glob("found*"))
