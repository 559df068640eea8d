"""`make smoke` for real, with an empty home folder: it ends well, touches nothing, connects nowhere.

Its clone serves as the example of what DVC does with a pipeline that has been run.
"""

import ipaddress
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from tools.smoke import isolated

pytestmark = pytest.mark.timeout(2400)  # all stages, on a processor without bf16 too

ROOT = Path(__file__).parent.parent
STRACE = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]


class Smoke(NamedTuple):
    code: int
    output: str
    before: dict[str, object]
    after: dict[str, object]
    addresses: set[str] | None  # None: strace does not work here
    clone: Path


def can_trace() -> bool:
    if not shutil.which("strace"):
        return False
    return subprocess.run([*STRACE, "true"], capture_output=True, check=False).returncode == 0


def addresses(trace: Path) -> set[str]:
    """Every internet address that a traced process named to the system as a destination."""
    destination = r'inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"'
    found = re.findall(destination, trace.read_text(errors="replace"))
    return {four or six for four, six in found}


def is_this_machine(address: str) -> bool:
    ip = ipaddress.ip_address(address)
    ip = getattr(ip, "ipv4_mapped", None) or ip
    return ip.is_loopback or ip.is_unspecified


def git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=True)
    return done.stdout


def state() -> dict[str, object]:
    """What `make smoke` must leave as it is: git's refs and status, all files of git, DVC and W&B."""
    folders = [ROOT / name for name in ("models", "results", "wandb", "data", ".facet", ".dvc")]
    kept = [path for folder in folders for path in folder.rglob("*")]
    kept += [ROOT / name for name in git("ls-files", "-z").split("\0") if name]
    return {
        "refs": git("for-each-ref"),
        "head": (ROOT / git("rev-parse", "--git-dir").strip() / "HEAD").read_text(),
        "status": git("status", "--porcelain", "--untracked-files=all"),
        **{str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in kept if path.is_file()},
    }


def bare(home: Path, temporary: Path) -> dict[str, str]:
    """Not our own environment, where a switch may be set that a user's does not have."""
    return {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8"}


@pytest.fixture(scope="module")
def smoke() -> Iterator[Smoke]:
    if not (ROOT / ".git").exists():
        pytest.skip("not a git repository")
    # Not pytest's folder for temporary files: that path is too long for the sockets of some libraries.
    with tempfile.TemporaryDirectory() as place:
        home, temporary, trace = (Path(place) / name for name in ("home", "tmp", "trace"))
        home.mkdir()
        temporary.mkdir()
        tracing = [*STRACE, "-o", str(trace)] if can_trace() else []
        before = state()
        done = subprocess.run(
            [*tracing, "make", "smoke"],
            cwd=ROOT,
            env=bare(home, temporary) | {"FACET_KEEP": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        yield Smoke(
            code=done.returncode,
            output=done.stdout,
            before=before,
            after=state(),
            addresses=addresses(trace) if tracing else None,
            clone=next(temporary.glob("facet-smoke-*/facet"), temporary),
        )


@pytest.fixture
def traced() -> None:
    if not can_trace():
        reason = "strace is not installed, or may not trace here"
        if "strace" in os.environ.get("FACET_REQUIRE", "").split(","):
            pytest.fail(reason)
        pytest.skip(reason)


@pytest.mark.slow
def test_it_runs_every_stage_and_ends_with_zero(smoke):
    assert smoke.code == 0, smoke.output[-5000:]
    assert "every declared output is written" in smoke.output


@pytest.mark.slow
def test_it_leaves_workspace_lock_cache_and_refs_as_they_were(smoke):
    changed = {key for key in {*smoke.before, *smoke.after} if smoke.before.get(key) != smoke.after.get(key)}
    assert changed == set()


@pytest.mark.slow
def test_it_removes_its_clone(tmp_path):
    """Whatever came of it: this setting is in no params."""
    command = [sys.executable, str(ROOT / "tools/smoke.py"), "no.such.setting=1"]
    env = bare(tmp_path, tmp_path)
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "the clone is removed" in done.stdout
    assert list(tmp_path.glob("facet-smoke-*")) == []


@pytest.mark.slow
def test_it_connects_to_this_machine_alone(traced, smoke):
    assert {address for address in smoke.addresses if not is_this_machine(address)} == set()


@pytest.mark.slow
def test_importing_all_of_the_package_connects_nowhere(traced, tmp_path):
    """Some libraries look for updates, or report that they are used, as soon as they are imported."""
    modules = [path.relative_to(ROOT).with_suffix("").parts for path in (ROOT / "pipeline").rglob("*.py")]
    names = sorted(".".join(parts) for parts in modules if parts[-1] not in ("__init__", "__main__"))
    code = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    trace = tmp_path / "trace"
    env = bare(tmp_path, tmp_path)
    command = [*STRACE, "-o", str(trace), sys.executable, "-c", code, *names]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    assert {address for address in addresses(trace) if not is_this_machine(address)} == set()


def test_the_trace_would_show_a_connection_to_another_machine(traced, tmp_path):
    # Connecting a datagram socket sends nothing; 192.0.2.1 is nobody's (RFC 5737).
    code = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    trace = tmp_path / "trace"
    subprocess.run([*STRACE, "-o", str(trace), sys.executable, "-c", code], check=False, capture_output=True)
    assert addresses(trace) == {"192.0.2.1"}
    assert not is_this_machine("192.0.2.1")


class Project:
    """A clone of a repository, with a DVC and a W&B that share nothing with others."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.env = isolated(folder.parent / f"{folder.name}-own")

    def run(self, *command: str) -> str:
        """What a command says; it has to end well."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env=self.env,
            capture_output=True,
            text=True,
            check=False,
            stdin=subprocess.DEVNULL,
        )
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
        return done.stdout

    def set_grid_subjects(self, rows: int) -> None:
        file = self.folder / "params.yaml"
        text, found = re.subn(r"grid_subjects: \d+", f"grid_subjects: {rows}", file.read_text())
        assert found == 1
        file.write_text(text)


@pytest.fixture(scope="module")
def project(smoke: Smoke) -> Project:
    """The clone of the smoke run, its results committed."""
    assert smoke.code == 0, smoke.output[-5000:]
    project = Project(smoke.clone)
    project.run("git", "add", "--all")
    project.run("git", "commit", "--quiet", "--message=What the smoke run made")
    return project


@pytest.mark.slow
def test_from_a_shared_folder_a_fresh_clone_has_everything_without_computing(project):
    place = project.folder.parent
    project.run("dvc", "remote", "add", "--local", "--default", "storage", str(place / "storage"))
    assert " pushed" in project.run("dvc", "push")
    fresh = Project(place / "fresh")
    project.run("git", "clone", "--quiet", str(project.folder), str(fresh.folder))
    assert not (fresh.folder / "models/train").exists()
    fresh.run("dvc", "remote", "add", "--local", "--default", "storage", str(place / "storage"))
    fresh.run("dvc", "pull")
    assert (fresh.folder / "results/report/index.html").stat().st_size > 0
    assert "Data and pipelines are up to date." in fresh.run("dvc", "repro")
    assert fresh.run("git", "status", "--porcelain") == ""


@pytest.mark.slow
def test_a_setting_of_the_picture_trains_nothing(project):
    project.set_grid_subjects(3)
    assert stages_run(project.run("dvc", "repro", "synthesize")) == ["synthesize"]


@pytest.mark.slow
def test_a_setting_that_is_put_back_computes_nothing(project):
    for rows in (3, 4):
        project.set_grid_subjects(rows)
        project.run("dvc", "repro", "synthesize")
    project.set_grid_subjects(3)
    assert stages_run(project.run("dvc", "repro", "synthesize")) == []


def stages_run(said: str) -> list[str]:
    return re.findall(r"^Running stage '(\w+)'", said, re.MULTILINE)
