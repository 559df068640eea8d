"""Lists of outputs that are named as data sets name them."""

import csv
from pathlib import Path

import pytest

from pipeline.__main__ import main
from pipeline.applications.evaluation.folder import listed


def made(top: Path, *names: str) -> None:
    for name in names:
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(b"x")


def run(monkeypatch, *arguments) -> int:
    monkeypatch.setattr("sys.argv", ["pipeline", "pairs", *map(str, arguments)])
    try:
        return main() or 0
    except SystemExit as stopped:
        return int(stopped.code or 0)


@pytest.fixture
def videos(tmp_path):
    """Of 000 there are twelve frames, of 003 four; both were swapped with the other."""
    made(tmp_path / "original", *(f"000/{n:04d}.png" for n in range(12)), *(f"003/{n:04d}.png" for n in range(4)))
    made(tmp_path / "mine", *(f"000_003/{n:04d}.png" for n in range(12)), *(f"003_000/{n:04d}.png" for n in range(4)))
    return tmp_path


def test_frames_of_videos_stand_at_equal_steps_with_who_is_who(videos, monkeypatch, capsys):
    out = videos / "pairs.csv"
    wanted = ("--videos", videos / "original", "--outputs", videos / "mine", "--frames", 5, "--out", out)
    assert run(monkeypatch, *wanted) == 0
    assert capsys.readouterr().out == f"{out}: 9 outputs\n"
    rows = listed(out)
    first = [r for r in rows if r.sample_person == "000"]
    assert [r.output.name for r in first] == ["0000.png", "0003.png", "0006.png", "0008.png", "0011.png"]
    assert all(r.output.parent.name == "000_003" and r.sample.parent.name == "000" for r in first)
    assert all(r.sample.name == r.output.name for r in rows)
    assert [r.subject.name for r in first] == ["0000.png", "0001.png", "0002.png", "0002.png", "0003.png"]
    assert {r.subject_person for r in first} == {"003"}
    assert len(rows) - len(first) == 4  # all that there are


def test_outputs_of_a_grid_are_split_where_a_subject_and_a_sample_meet(tmp_path, monkeypatch):
    made(tmp_path, "s/a_1.png", "s/b.jpg", "a/x.png", "a/1_x.png", "mine/a_1_x.png", "mine/b_x.png", "mine/b_1_x.png")
    folders = ("--subjects", tmp_path / "s", "--samples", tmp_path / "a", "--outputs", tmp_path / "mine")
    assert run(monkeypatch, *folders, "--out", tmp_path / "p.csv") == 0
    with (tmp_path / "p.csv").open() as file:
        rows = [tuple(Path(row[name]).name for name in ("subject", "sample", "output")) for row in csv.DictReader(file)]
    assert set(rows) == {
        ("a_1.png", "x.png", "a_1_x.png"),
        ("b.jpg", "x.png", "b_x.png"),
        ("b.jpg", "1_x.png", "b_1_x.png"),
    }


@pytest.mark.parametrize(
    ("names", "arguments", "words"),
    [
        ((), ("--videos", "original", "--outputs", "none"), "none: cannot be opened"),
        (("alone/0.png",), ("--videos", "original", "--outputs", "."), "should be TARGET_SOURCE"),
        (("m/000_003/other.png",), ("--videos", "original", "--outputs", "m"), "no frame has the name"),
        (("m/x.txt",), ("--subjects", "original/000", "--samples", "original/003", "--outputs", "m"), "no pictures"),
        (
            ("m/9_9.png",),
            ("--subjects", "original/000", "--samples", "original/003", "--outputs", "m"),
            "SUBJECT_SAMPLE",
        ),
        ((), ("--videos", "original", "--outputs", "mine", "--frames", "0"), "--frames should be at least 1 (got 0)"),
        ((), ("--outputs", "mine"), "give --videos, or --subjects and --samples"),
        ((), ("--videos", "original", "--outputs", "mine", "--out", "none/p.csv"), "cannot be written"),
    ],
)
def test_each_mistake_is_one_sentence_and_writes_nothing(videos, monkeypatch, capsys, names, arguments, words):
    monkeypatch.chdir(videos)
    made(videos, *names)
    before = sorted(videos.rglob("*"))
    assert run(monkeypatch, "--out", "pairs.csv", *arguments) != 0
    said = capsys.readouterr().err
    assert words in said
    assert "Traceback" not in said
    assert sorted(videos.rglob("*")) == before
