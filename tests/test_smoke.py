"""`make smoke` for real, with an empty home folder: it ends well, touches nothing, connects nowhere."""

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

ROOT = Path(__file__).parent.parent
STRACE = ["strace", "-f", "--seccomp-bpf", "-qq", "-e", "trace=connect,sendto,sendmsg,sendmmsg"]


class Smoke(NamedTuple):
    code: int
    output: str
    before: dict[str, object]
    after: dict[str, object]
    addresses: set[str] | None  # None: strace does not work here
    left_behind: list[str]


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
            env={"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "LANG": "C.UTF-8"},
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
            left_behind=[path.name for path in temporary.glob("facet-smoke-*")],
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
def test_it_removes_its_clone(smoke):
    assert smoke.left_behind == []


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
    # Not our own environment, where a switch may be set that a user's does not have.
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
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
