"""Films with a real face in them, through an untrained model: who is replaced, what stays, what is said."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pipeline.applications.acting import act as acting
from pipeline.applications.acting.act import act
from pipeline.errors import UserError
from tests.applications.acting import filming
from tests.applications.test_recombine import refused, save_model
from tests.conftest import ROOT

pytestmark = [pytest.mark.shared, pytest.mark.slow]


def portrait(shared, number):
    return sorted((shared / "faces" / "london").glob("*/neutral.jpg"))[number]


def pixels(file):
    return cv2.cvtColor(cv2.imread(str(file)), cv2.COLOR_BGR2RGB)


@pytest.fixture
def place(tmp_path, shared, monkeypatch):
    """A folder to work in, with a model, and the detector in reach."""
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    return tmp_path


def changed(given, out):
    """How much each picture was changed in its left and in its right half."""
    pairs = zip(filming.pictures(given), filming.pictures(out), strict=True)
    differences = [np.abs(a.astype(int) - b).mean(axis=(0, 2)) for (_, a), (_, b) in pairs]
    return np.array([(np.hsplit(d, 2)[0].mean(), np.hsplit(d, 2)[1].mean()) for d in differences])


PLAYED = 1.5  # from this mean change in levels on, a half has another face; coding alone changes it by less than one


def test_the_face_is_another_the_rest_of_the_film_the_same(place, shared):
    face = pixels(portrait(shared, 1))
    empty = np.full((240, 320, 3), 128, np.uint8)
    pictures = [empty if 8 <= i < 11 else filming.moving(face, i) for i in range(16)]
    times = [512 * i + 100 * (i % 2) for i in range(16)]
    given = filming.write(place / "in.mp4", pictures, times)
    made = act([portrait(shared, 0)], given, place / "out.mp4")
    assert made["frames"] == {"all": 16, "with_face": 13, "passed_through": 3}
    assert [t for t, _ in filming.pictures(place / "out.mp4")] == [t / 12800 for t in times]
    assert filming.sound(place / "out.mp4") == filming.sound(given)
    assert filming.comment(place / "out.mp4") == f"synthetic, made by Facet, model {made['model']}"
    sidecar = json.loads((place / "out.mp4.json").read_text())
    assert sidecar == {"facet": "synthetic, made by Facet", **made}
    difference = changed(given, place / "out.mp4")
    assert (difference[:8].max(axis=1) > PLAYED).all()
    assert (difference[8:11] < 1).all()
    for (_, a), (_, b) in zip(filming.pictures(given), filming.pictures(place / "out.mp4"), strict=True):
        assert np.abs(a[:, 280:].astype(int) - b[:, 280:]).mean() < 1  # beside the portrait
    assert not list((place / ".facet" / "work" / "act").glob("*/*"))  # nothing is left behind


@pytest.mark.parametrize(("person", "half"), [("left", 0), ("right", 1), ("largest", 1)])
def test_of_two_people_the_one_that_is_meant_is_replaced(place, shared, person, half):
    one, other = pixels(portrait(shared, 1)), pixels(portrait(shared, 2))
    pictures = []
    for i in range(4):
        image = filming.moving(one, i, size=(480, 240), height=160)
        image[:, 240:] = filming.moving(other, i, size=(240, 240), height=200)
        pictures.append(image)
    given = filming.write(place / "in.mp4", pictures)
    act([portrait(shared, 0)], given, place / "out.mp4", person=person)
    difference = changed(given, place / "out.mp4")
    assert (difference[:, half] > PLAYED).all()
    assert (difference[:, 1 - half] < 1).all()


def test_a_photograph_can_say_who_is_replaced(place, shared):
    one, other = pixels(portrait(shared, 1)), pixels(portrait(shared, 2))
    image = filming.moving(one, 0, size=(480, 240))
    image[:, 240:] = filming.moving(other, 0, size=(240, 240))
    given = filming.write(place / "in.mp4", [image] * 3)
    for half, number in ((0, 1), (1, 2)):
        act([portrait(shared, 0)], given, place / "out.mp4", who=portrait(shared, number))
        difference = changed(given, place / "out.mp4")
        assert (difference[:, half] > PLAYED).all()
        assert (difference[:, 1 - half] < 1).all()


def test_a_film_without_the_face_is_passed_through_and_that_is_said(place, shared, caplog):
    given = filming.write(place / "in.mp4", [filming.plain(i, (160, 120)) for i in range(5)])
    made = act([portrait(shared, 0)], given, place / "out.mp4")
    assert made["frames"] == {"all": 5, "with_face": 0, "passed_through": 5}
    assert "in no picture" in caplog.text


def test_killed_it_goes_on_and_makes_the_same_film(place, shared, monkeypatch, caplog):
    face = pixels(portrait(shared, 1))
    filming.write(place / "in.mp4", [filming.moving(face, i % 50) for i in range(120)])
    program = (
        "import sys; from pipeline.applications.acting import act; act.SEGMENT = 16;"
        "from pipeline.__main__ import main; sys.exit(main())"
    )

    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(place)}
    command = [sys.executable, "-c", program, "act", "--subject", portrait(shared, 0), "--video", "in.mp4"]
    with subprocess.Popen([*command, "--out", "out.mp4"], cwd=place, env=env, stderr=subprocess.DEVNULL) as process:
        while process.poll() is None and not list(place.glob(".facet/work/act/*/000002.json")):
            time.sleep(0.01)
        process.kill()
    assert process.returncode == -signal.SIGKILL
    assert not (place / "out.mp4").exists()
    monkeypatch.setattr(acting, "SEGMENT", 16)
    with caplog.at_level("INFO"):
        act([portrait(shared, 0)], Path("in.mp4"), place / "out.mp4")
    assert "pictures are there from an earlier run" in caplog.text
    act([portrait(shared, 0)], Path("in.mp4"), place / "whole.mp4")
    before, after = filming.pictures(place / "whole.mp4"), filming.pictures(place / "out.mp4")
    assert [t for t, _ in before] == [t for t, _ in after] == [i / 25 for i in range(120)]
    assert max(np.abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(before, after, strict=True)) < 0.1
    assert filming.sound(place / "whole.mp4") == filming.sound(place / "out.mp4")


def test_what_would_fail_after_hours_is_refused_at_once(place, shared):
    given = filming.write(place / "in.mp4", [filming.plain(i) for i in range(5)])
    face = portrait(shared, 0)
    (place / "file").touch()
    for out, words in (("out.mkv", "end in .mp4"), ("in.mp4", "is the film"), ("file/out.mp4", "cannot be written")):
        with pytest.raises(UserError, match=words):
            act([face], given, place / out)
    assert not (place / ".facet").exists()


def test_a_film_of_no_pictures_is_refused(place, shared):
    given = filming.write(place / "in.mkv", [filming.plain(i) for i in range(3)], sound=None)
    content = given.read_bytes()
    given.write_bytes(content[: content.index(b"\x1f\x43\xb6\x75") + 20])  # ends before its first picture
    with pytest.raises(UserError, match="no picture of it can be decoded"):
        act([portrait(shared, 0)], given, place / "out.mp4")
    assert not (place / "out.mp4").exists()


def test_the_command_says_what_it_made(place, shared):
    filming.write(place / "in.mp4", [filming.moving(pixels(portrait(shared, 1)), i) for i in range(3)])
    env = {**os.environ, "PYTHONPATH": str(ROOT), "HOME": str(place)}
    command = [sys.executable, "-m", "pipeline", "act", "--subject", str(portrait(shared, 0)), "--video", "in.mp4"]

    def run(*more):
        return subprocess.run([*command, *more], cwd=place, env=env, capture_output=True, text=True, check=False)

    done = run("--out", "made/out.mp4", "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["frames"]["with_face"] == 3
    assert (place / "made" / "out.mp4").exists()
    refused(run("--out", "out.mp4", "--person", "left", "--who", "in.mp4"), "not allowed with")


def test_segments_are_whole_batches():
    assert acting.SEGMENT % 16 == 0  # so that networks see the same batches after a stop as without
