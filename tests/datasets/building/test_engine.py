"""Same bytes whoever makes them, however often they are stopped; and nothing finished is made again."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from pipeline.settings import Settings
from tests.conftest import ROOT
from tests.datasets.building.projects import content, prepare, project, start

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A project whose stage ran once, from start to end."""
    folder = project(tmp_path_factory.mktemp("undisturbed"))
    code, said = prepare(folder)
    assert code == 0, said
    return folder


def parts(folder: Path) -> dict[str, tuple[int, int]]:
    """Finished parts of an interrupted run: name -> inode and time of the index, its last file."""
    found = {}
    for path in (folder / Settings().work / "prepare").glob("*/parts/[!.]*.parquet"):
        with suppress(FileNotFoundError):  # the stage may be tidying up
            found[path.name] = (path.stat().st_ino, path.stat().st_mtime_ns)
    return found


def parts_before(seconds: float, folder: Path, least: int) -> dict[str, tuple[int, int]]:
    """Wait until so many parts are finished."""
    end = time.monotonic() + seconds
    while len(found := parts(folder)) < least and time.monotonic() < end:
        time.sleep(0.01)
    return found


def workers_of(process: subprocess.Popen[str]) -> list[psutil.Process]:
    """Its Dask workers: children that were spawned to work, not the tracker of resources."""
    children = psutil.Process(process.pid).children(recursive=True)
    return [child for child in children if "spawn_main" in " ".join(_command(child))]


def _command(child: psutil.Process) -> list[str]:
    try:
        return child.cmdline()
    except psutil.Error:
        return []


def kill_everything(process: subprocess.Popen[str]) -> None:
    """Of the command alone: its workers have to notice by themselves."""
    workers = workers_of(process)
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(workers, timeout=20)
    assert not alive, f"workers outlive the command: {alive}"


@pytest.mark.parametrize("count", ["1", "3"])
def test_the_number_of_workers_changes_no_byte(count, undisturbed, tmp_path):
    folder = project(tmp_path)
    assert prepare(folder, FACET_WORKERS=count)[0] == 0
    assert content(folder) == content(undisturbed)


def test_a_cluster_makes_the_same_bytes(undisturbed, tmp_path):
    folder = project(tmp_path)
    with cluster(tmp_path, workers=2) as address:
        code, said = prepare(folder, FACET_SCHEDULER=address)
    assert code == 0, said
    assert content(folder) == content(undisturbed)


def test_a_scheduler_that_goes_away_is_said_and_what_was_done_is_kept(undisturbed, tmp_path):
    folder = project(tmp_path)
    with cluster(tmp_path, workers=2) as address:
        process = start(folder, FACET_SCHEDULER=address)
        parts_before(60, folder, 2)
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 1, said
    assert "Traceback" not in said
    assert "scheduler went away" in said.splitlines()[-1]
    kept = parts(folder)
    assert kept
    assert resumed(folder, kept) == content(undisturbed)


def test_a_scheduler_without_workers_and_one_that_is_not_there_are_said(tmp_path):
    folder = project(tmp_path)
    for address, said_of_it in (
        ("tcp://127.0.0.1:1", "no Dask scheduler answers"),
        ("nonsense://", "no Dask scheduler"),
    ):
        code, said = prepare(folder, FACET_SCHEDULER=address)
        assert code == 1
        assert "Traceback" not in said
        assert said_of_it in said.splitlines()[-1]
        assert "FACET_SCHEDULER" in said.splitlines()[-1]
    with cluster(tmp_path, workers=0) as address:
        code, said = prepare(folder, FACET_SCHEDULER=address)
    assert code == 1
    assert "has no workers" in said.splitlines()[-1]


def test_a_killed_worker_changes_no_byte(undisturbed, tmp_path):
    folder = project(tmp_path)
    process = start(folder)
    parts_before(60, folder, 3)
    before = parts(folder)
    workers_of(process)[0].kill()
    said = process.communicate(timeout=120)[1]
    assert process.returncode == 0, said
    assert "Traceback" not in said
    assert len(before) >= 3
    assert content(folder) == content(undisturbed)


def test_a_killed_command_goes_on_where_it_was(undisturbed, tmp_path):
    folder = project(tmp_path)
    process = start(folder)
    parts_before(60, folder, 3)
    kill_everything(process)
    kept = parts(folder)
    assert len(kept) >= 3
    assert not (folder / "data/faces").exists()
    assert resumed(folder, kept) == content(undisturbed)


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 12))])
def test_killed_at_any_moment_it_completes_with_the_same_bytes(seed, undisturbed, tmp_path):
    """A random worker, then, later, the whole command; then again from where it was."""
    random_ = random.Random(seed)
    folder = project(tmp_path)
    process = start(folder)
    time.sleep(random_.uniform(0.5, 6))
    if process.poll() is None and (workers := workers_of(process)):
        random_.choice(workers).kill()
        time.sleep(random_.uniform(0, 4))
    if process.poll() is None:
        kill_everything(process)
        kept = parts(folder)
        assert resumed(folder, kept) == content(undisturbed)
    else:
        said = process.communicate()[1]
        assert process.returncode == 0, said
        assert content(folder) == content(undisturbed)


def resumed(folder: Path, kept: dict[str, tuple[int, int]]) -> dict[str, str]:
    """Run the stage again; what it found finished has to be what it ends with."""
    process = start(folder)
    seen: dict[str, tuple[int, int]] = {}
    while process.poll() is None:
        seen |= parts(folder)
        time.sleep(0.005)
    said = process.communicate()[1]
    assert process.returncode == 0, said
    assert {name: seen.get(name) for name in kept} == kept, "a finished shard was made again"
    if kept:
        assert f"{len(kept)} of " in said
    return content(folder)


class cluster:
    """A scheduler and workers as a person starts them, each a process."""

    def __init__(self, folder: Path, workers: int) -> None:
        self.folder, self.workers = folder, workers
        self.processes: list[subprocess.Popen[str]] = []

    def __enter__(self) -> str:
        address_file = self.folder / "scheduler.json"
        address_file.unlink(missing_ok=True)
        self._run("scheduler", "--host", "127.0.0.1", "--port", "0", "--no-dashboard",
                  "--scheduler-file", str(address_file))  # fmt: skip
        end = time.monotonic() + 60
        while not (address_file.exists() and address_file.read_text().rstrip().endswith("}")):
            assert time.monotonic() < end, "the scheduler does not start"
            time.sleep(0.05)
        for _ in range(self.workers):
            self._run("worker", "--scheduler-file", str(address_file), "--nthreads", "1",
                      "--no-dashboard", "--local-directory", str(self.folder))  # fmt: skip
        return str(json.loads(address_file.read_text())["address"])

    def _run(self, *arguments: str) -> None:
        program = [str(Path(sys.executable).with_name("dask")), *arguments]
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.processes.append(
            subprocess.Popen(program, env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True)
        )

    def __exit__(self, *_: object) -> None:
        for process in self.processes:
            process.send_signal(signal.SIGKILL)
            process.wait()
