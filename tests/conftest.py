"""Shared fixtures: everything tiny, on the CPU, seeded."""

import os
import shutil
import signal
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
REQUIRED = {name for name in os.environ.get("FACET_REQUIRE", "").split(",") if name}

# A shell ignores SIGINT in what it runs in the background, and so would the commands that tests start and send it to.
signal.signal(signal.SIGINT, signal.default_int_handler)


def unavailable(what: str, reason: str) -> None:
    """Skip with the reason, or fail where FACET_REQUIRE says that `what` has to be here."""
    if what in REQUIRED:
        pytest.fail(f"FACET_REQUIRE names {what}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(autouse=True)
def seed() -> None:
    import torch

    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests start without the settings of whoever runs them."""
    for name in list(os.environ):
        foreign = name.startswith(("FACET_", "WANDB_", "DVC_", "SLURM_", "TORCHELASTIC_"))
        foreign |= name in ("RANK", "LOCAL_RANK", "NODE_RANK", "MASTER_ADDR")
        if foreign and name not in ("FACET_SHARED", "FACET_REQUIRE"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("WANDB_MODE", "offline")


@pytest.fixture
def shared(shared_folder: Path) -> Path:
    """The folder with real photographs and networks."""
    return shared_folder


@pytest.fixture(scope="session")
def shared_folder() -> Path:
    """The same, for fixtures that live longer than a test."""
    folder = Path(os.environ.get("FACET_SHARED") or ROOT.parent / "shared").resolve()
    if not folder.is_dir():
        unavailable("shared", f"{folder} is not here; FACET_SHARED can name another")
    return folder


@pytest.fixture
def chromium() -> str:
    """A headless browser."""
    found = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if not found:
        unavailable("browser", "no chromium is installed")
    return found or ""
