"""What `make summary` and `make stale` say of small repositories."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tools.smoke import publish
from tools.summary import FIRST

ROOT = Path(__file__).parent.parent


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A git repository with the tools and one metrics file, committed as `main`."""
    place = tmp_path / "project"
    for folder in ("tools", "pipeline"):
        (place / folder).mkdir(parents=True)
    for name in ("tools/summary.py", "pipeline/paths.py", "pipeline/__init__.py"):
        shutil.copy(ROOT / name, place / name)
    measure(place, {"identity/top1": figure(0.5, 0.4, 0.6), "prepare/images": 20356.0, "truth/psnr": 19.5})
    git(place, "init", "--quiet", "--initial-branch=main")
    git(place, "add", ".")
    git(place, "commit", "--quiet", "--message=first")
    return place


def git(place: Path, *arguments: str) -> None:
    who = ("-c", "user.name=t", "-c", "user.email=t@localhost", "-c", "commit.gpgsign=false")
    subprocess.run(["git", *who, *arguments], cwd=place, check=True)


def figure(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high, "n": 8.0}


def measure(place: Path, values: dict[str, object], stage: str = "evaluate") -> None:
    file = place / "results" / stage / "metrics.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(values))


def summary(place: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "tools.summary", *arguments]
    return subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)


def row(text: str, metric: str) -> list[str]:
    lines = [line for line in text.splitlines() if line.startswith(f"| `{metric}`")]
    assert len(lines) == 1, text
    return [cell.strip() for cell in lines[0].strip("|").split("|")][1:]


def test_without_a_revision_it_says_values_and_intervals(project):
    said = summary(project).stdout
    assert row(said, "identity/top1") == ["0.5 (0.4 to 0.6)"]
    assert row(said, "prepare/images") == ["20356"]


def test_a_change_is_bold_where_the_intervals_do_not_meet(project):
    measure(project, {"identity/top1": figure(0.7, 0.55, 0.8), "truth/psnr": figure(22, 21, 23)})
    said = summary(project, "--revision", "main").stdout
    assert row(said, "identity/top1") == ["0.7 (0.55 to 0.8)", "0.5 (0.4 to 0.6)", "+0.2"]
    assert row(said, "truth/psnr")[-1] == "**+2.5**"


def test_equal_numbers_differ_by_nothing_and_numbers_without_intervals_are_not_bold(project):
    measure(project, {"identity/top1": figure(0.5, 0.4, 0.6), "prepare/images": 20000.0})
    said = summary(project, "--revision", "main").stdout
    assert row(said, "identity/top1")[-1] == "0"
    assert row(said, "prepare/images")[-1] == "-356"


def test_what_one_side_has_not_measured_is_said(project):
    measure(project, {"truth/psnr": 19.5, "realism/fid": 12.0, "not_measured": {"identity/top1": ["no judge"]}})
    said = summary(project, "--revision", "main").stdout
    assert row(said, "identity/top1") == ["not measured", "0.5 (0.4 to 0.6)", ""]
    assert row(said, "realism/fid") == ["12", "not measured", ""]
    assert "no judge" not in said


def test_what_says_most_stands_first_and_the_rest_is_folded(project):
    shown, folded = summary(project).stdout.split("<details>")
    assert "`identity/top1`" in shown
    assert "`prepare/images`" not in shown
    assert "`prepare/images`" in folded
    assert folded.startswith("<summary>1 other metrics</summary>\n\n|")  # Markdown in HTML wants the empty line
    assert folded.endswith("\n\n</details>\n")


def test_another_folder_of_results_can_be_read(project, tmp_path):
    measure(tmp_path / "smoke", {"truth/psnr": 7.0})
    assert row(summary(project, "--results", str(tmp_path / "smoke/results")).stdout, "truth/psnr") == ["7"]


@pytest.mark.parametrize("revision", ["nowhere", "--help", "main:params.yaml"])
def test_a_revision_that_is_not_there_is_named_in_one_line(project, revision):
    done = summary(project, f"--revision={revision}")
    assert done.returncode == 1
    assert done.stderr == (
        f"summary: there is no revision {revision}; `git fetch` may bring it, `git branch --all` lists some\n"
    )


def test_a_folder_without_metrics_is_named_in_one_line(project, tmp_path):
    done = summary(project, "--results", str(tmp_path / "none"))
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert f"{tmp_path / 'none'} holds no metrics" in done.stderr


@pytest.mark.parametrize("text", ["{", "[1]", '{"a": "b"}', '{"a": {"value": 1}}', '{"a": null}'])
def test_a_file_that_holds_no_metrics_is_named_in_one_line(project, text):
    (project / "results/evaluate/metrics.json").write_text(text)
    done = summary(project)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "results/evaluate/metrics.json is no metrics file" in done.stderr


def test_the_metrics_that_stand_first_are_committed():
    committed = json.loads((ROOT / "results/evaluate/metrics.json").read_text())
    assert FIRST.keys() - committed.keys() == set()


DVC_YAML = """
stages:
  first:
    cmd: cp code.txt made.txt && cp code.txt metrics.json
    params: [section]
    deps: [code.txt]
    outs: [made.txt, metrics.json: {cache: false}]
  second:
    cmd: cp made.txt last.txt
    deps: [made.txt]
    outs: [last.txt]
"""


@pytest.fixture(scope="module")
def without_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A pipeline that has been run, as a fresh clone has it: with metrics and dvc.lock, without what DVC holds."""
    place = tmp_path_factory.mktemp("stale") / "project"
    (place / "tools").mkdir(parents=True)
    for name in ("tools/stale.py", "tools/smoke.py"):
        shutil.copy(ROOT / name, place / name)
    (place / "dvc.yaml").write_text(DVC_YAML)
    (place / "code.txt").write_text("1")
    (place / "params.yaml").write_text("section: {a: 1}")
    git(place, "init", "--quiet")
    for command in (["init"], ["repro"]):
        dvc(place, *command)
    for lost in ("made.txt", "last.txt"):
        (place / lost).unlink()
    shutil.rmtree(place / ".dvc/cache")
    return place


def dvc(place: Path, *arguments: str) -> None:
    subprocess.run([sys.executable, "-m", "dvc", *arguments], cwd=place, env=alone(place), check=True)


def alone(place: Path) -> dict[str, str]:
    return {**os.environ, "DVC_SITE_CACHE_DIR": str(place.parent / "site"), "DVC_NO_ANALYTICS": "1"}


def stale(place: Path) -> str:
    command = [sys.executable, "-m", "tools.stale"]
    done = subprocess.run(command, cwd=place, env=alone(place), capture_output=True, text=True, check=True)
    return done.stdout


@pytest.mark.slow
def test_what_dvc_holds_need_not_be_here_for_the_lock_to_agree(without_data):
    assert stale(without_data) == "`dvc.lock` agrees with code and params: the committed results are theirs.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "text", "says"),
    [
        ("code.txt", "2", "| first | `code.txt` |"),
        ("code.txt", None, "| first | `code.txt` |"),
        ("params.yaml", "section: {a: 2}", "| first | `params.yaml section` |"),
        ("metrics.json", "2", "| first | `metrics.json` |"),
        ("dvc.yaml", DVC_YAML.replace("made.txt last.txt", "code.txt last.txt"), "| second | `changed command` |"),
    ],
)
def test_what_differs_from_the_lock_is_named_with_its_stage(without_data, file, text, says):
    before = (without_data / file).read_text()
    try:
        (without_data / file).unlink() if text is None else (without_data / file).write_text(text)
        said = stale(without_data)
    finally:
        (without_data / file).write_text(before)
    assert "`make repro` makes them anew" in said
    assert said.splitlines()[4:] == [says]


def test_published_results_are_there_as_a_whole(tmp_path):
    (tmp_path / "results/report").mkdir(parents=True)
    (tmp_path / "results/report/index.html").write_text("page")
    publish(tmp_path / "results", tmp_path / "kept/here")
    assert (tmp_path / "kept/here/report/index.html").read_text() == "page"
    assert [path.name for path in (tmp_path / "kept").iterdir()] == ["here"]


def test_a_smoke_run_overwrites_nothing(tmp_path):
    env = {**os.environ, "FACET_KEEP": str(tmp_path)}
    command = [sys.executable, str(ROOT / "tools/smoke.py")]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr == f"smoke: FACET_KEEP names {tmp_path}, which is there already: name a new folder\n"
