"""Nobody is told which face is made up, no answer is lost, and the answers add up."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import urllib.error
import urllib.request

import numpy as np
import pytest

from pipeline import paths
from pipeline.applications import rating
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.errors import UserError
from tests.conftest import ROOT

REAL, MADE = 50, 200  # gray levels


def image(level: int, number: int) -> np.ndarray:
    return np.full((16, 16, 3), level + number, np.uint8)


@pytest.fixture
def project(tmp_path):
    """Three people with eight photographs each, and every one with the circumstances of another."""
    with ShardWriter(tmp_path / paths.FACES, "faces") as writer:
        for n in range(24):
            writer.add(f"real{n:02d}", image(REAL, n), {"identity": f"p{n // 8}", "split": "test"})
        writer.close()
    with ShardWriter(tmp_path / paths.SYNTHESIZED, "synthesized") as writer:
        for n in range(6):
            writer.add(f"made{n}", image(MADE, n), {"subject": f"p{n // 2}", "sample": f"p{(n // 2 + 1) % 3}"})
        writer.close()
    shutil.copy(ROOT / "params.yaml", tmp_path)
    return tmp_path


@pytest.fixture
def served(project):
    """The running command, and its address."""
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(project)}
    command = [sys.executable, "-m", "pipeline", "rate", "--port", "0", "--out", "answers.csv"]
    process = subprocess.Popen(command, cwd=project, env=env, stderr=subprocess.PIPE, text=True)
    try:
        line = process.stderr.readline()
        yield process, re.search(r"http://127\.0\.0\.1:\d+", line)[0]
    finally:
        process.kill()
        process.wait()
        process.stderr.close()


def ask(address, body, kind="application/json", host=None):
    headers = {"Content-Type": kind} | ({"Host": host} if host else {})
    request = urllib.request.Request(address, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def refused(status, *arguments, **named):
    with pytest.raises(urllib.error.HTTPError) as caught:
        ask(*arguments, **named)
    caught.value.close()
    assert caught.value.code == status


def test_answers_are_kept_and_added_up(served, project):
    process, address = served
    for number in range(8):
        shown = ask(f"{address}/next", {"rater": "r1"})
        assert shown["done"] == number
        assert ask(f"{address}/answer", {"trial": shown["trial"], "choice": "left", "milliseconds": 900}) == {
            "done": number + 1
        }
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=30)[1]
    assert process.returncode == 0
    with (project / "answers.csv").open() as file:
        answers = list(csv.DictReader(file))
    wrong = sum(answer["made_up"] == "right" for answer in answers)
    assert len(answers) == 8
    assert {answer["synthesized"] for answer in answers} == {f"made{n}" for n in range(6)}  # each once before any twice
    assert f"8 answers of 1 raters: taken for a photograph in {wrong / 8:.3f}" in said


def test_nothing_says_which_is_which(served):
    _, address = served
    shown = ask(f"{address}/next", {"rater": "r1"})
    assert set(shown) == {"trial", "done", "left", "right"}
    assert all(re.fullmatch(r"/[0-9a-f]{16}\.png", shown[side]) for side in ("left", "right"))
    with urllib.request.urlopen(address + shown["left"], timeout=20) as picture:
        assert picture.headers["Content-Type"] == "image/png"
        assert not re.search(rb"made|real", picture.read())


def test_what_is_not_asked_by_the_page_is_refused(served, project):
    _, address = served
    shown = ask(f"{address}/next", {"rater": "r1"})
    answer = {"trial": shown["trial"], "choice": "left", "milliseconds": 1}
    refused(403, f"{address}/answer", answer, kind="text/plain")  # what a form of another page can send
    refused(403, f"{address}/answer", answer, host="evil.example:80")
    refused(400, f"{address}/answer", answer | {"choice": "=1+1"})
    refused(400, f"{address}/answer", answer | {"trial": "another"})
    refused(404, f"{address}/elsewhere", {})
    refused(404, f"{address}/next", {"rater": "x" * 5000})
    assert not (project / "answers.csv").exists()
    ask(f"{address}/answer", answer)
    refused(400, f"{address}/answer", answer)  # once is enough


def test_each_face_stands_beside_a_probe_of_its_subject(project):
    faces, made = Faces(project / paths.FACES), Faces(project / paths.SYNTHESIZED)
    pairs = rating.Pairs(faces, made, gallery=5, seed=0)
    left = 0
    for _ in range(300):
        trial, shown = pairs.draw("r1")
        other = {"left": "right", "right": "left"}[trial.made_up]
        assert shown[trial.made_up].mean() == MADE + int(trial.synthesized[4:])
        number = int(trial.photograph[4:])
        assert shown[other].mean() == REAL + number
        assert number // 8 == int(trial.synthesized[4:]) // 2
        left += trial.made_up == "left"
    assert 110 < left < 190


def test_the_rate_has_an_interval_over_raters_and_faces():
    answers = [
        {"rater": f"r{r}", "synthesized": f"m{m}", "made_up": "left", "chosen": "right" if (r + m) % 4 == 0 else "left"}
        for r in range(8)
        for m in range(16)
    ]
    share = rating.fooled(answers)
    assert (share.value, share.n) == (0.25, 128)
    assert share.low < 0.25 < share.high


def test_without_answers_it_says_so_and_what_is_no_list_of_answers_is_named(tmp_path):
    assert rating.summary(tmp_path / "none.csv").endswith("no answer yet")
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    with pytest.raises(UserError, match=r"other\.csv: holds no answers"):
        rating.summary(tmp_path / "other.csv")


@pytest.mark.browser
def test_a_browser_shows_two_faces_and_no_error(served, chromium, tmp_path):
    _, address = served
    flags = "--headless --no-sandbox --disable-gpu --no-first-run --enable-logging=stderr --virtual-time-budget=5000"
    command = [chromium, *flags.split(), "--dump-dom", f"--user-data-dir={tmp_path / 'profile'}", address]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert len(re.findall(r'<img alt="the \w+ face" src="/[0-9a-f]{16}\.png">', seen.stdout)) == 2
    assert [line for line in seen.stderr.splitlines() if "CONSOLE" in line] == []
