"""A film of any length takes the memory of a short one."""

import os
import subprocess
import sys

import pytest

from tests.applications.acting import filming
from tests.applications.acting.test_act import pixels, portrait
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT

pytestmark = [pytest.mark.shared, pytest.mark.soak]

SHORT, LONG = 200, 2000  # pictures
GROWN = 32 << 20  # bytes; two hours at 25 pictures a second are 90 times LONG


def peak(place, shared, pictures):
    """The most memory that `act` ever has, in bytes, on a film with a face in each of so many pictures."""
    face = pixels(portrait(shared, 1))
    fifty = [filming.moving(face, i) for i in range(50)]
    filming.write(place / f"{pictures}.mp4", [fifty[i % 50] for i in range(pictures)])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(place), "FACET_ASSETS": str(shared / "models")}
    command = [sys.executable, "-m", "pipeline", "act", "--subject", str(portrait(shared, 0))]
    with subprocess.Popen(
        [*command, "--video", f"{pictures}.mp4", "--out", f"out{pictures}.mp4"], cwd=place, env=env
    ) as process:
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    assert filming.count(place / f"out{pictures}.mp4") == pictures
    return used.ru_maxrss * 1024


def test_memory_does_not_grow_with_the_film(tmp_path, shared):
    save_model(tmp_path)
    short, long = (peak(tmp_path, shared, pictures) for pictures in (SHORT, LONG))
    assert long - short < GROWN, f"{SHORT} pictures: {short >> 20} MiB, {LONG}: {long >> 20} MiB"
