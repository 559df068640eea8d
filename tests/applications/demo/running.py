"""The demo as a command that runs, and what tests of its page have in common."""

import contextlib
import os
import re
import subprocess
import sys

import psutil

from tests.applications.demo.sliders import keep_directions
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT

RESULT = "document.querySelector('#recombined img')"


def command(*arguments):
    return [sys.executable, "-m", "pipeline", "demo", *map(str, arguments)]


@contextlib.contextmanager
def running(top, before=(), **settings):
    """The command with an untrained model in a folder, and its address.

    Args:
        top: an empty folder.
        before: a command that runs it.
        settings: more of its environment, which has nothing of ours.
    """
    save_model(top, source="rendered")
    keep_directions(top)
    for name in ("tmp", "home"):
        (top / name).mkdir()
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "OMP_NUM_THREADS": "1"}
    env |= {"HOME": str(top / "home"), "TMPDIR": str(top / "tmp"), **settings}
    process = subprocess.Popen([*before, *command("--port", 0)], cwd=top, env=env, stderr=subprocess.PIPE, text=True)
    try:
        said = iter(process.stderr.readline, "")
        yield process, next(match[0] for line in said if (match := re.search(r"http://127\.0\.0\.1:\d+", line)))
    finally:
        if process.poll() is None:
            for child in (*psutil.Process(process.pid).children(), process):
                child.kill()
        process.wait()
        process.stderr.close()


def show(tab, name, element):
    """Choose a tab of the page, and wait until something in it is to be seen."""
    tab.value(f"[...document.querySelectorAll('button[role=tab]')].find(b => b.innerText == '{name}').click()")
    tab.until(f"document.querySelector('{element}')?.offsetWidth")
