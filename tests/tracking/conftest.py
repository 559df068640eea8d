"""A project of its own for each test, and servers on this machine."""

import pytest

from tests.tracking import runs
from tests.tracking.server import Server


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """An empty project in which W&B knows of no key."""
    import wandb

    runs.isolate(tmp_path, monkeypatch)
    yield tmp_path
    wandb.teardown()


@pytest.fixture
def serve(monkeypatch):
    """Starts a server that behaves so, for a client that has a key."""
    started = []

    def start(behaviour):
        started.append(Server(behaviour))
        monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
        monkeypatch.setenv("WANDB_BASE_URL", started[-1].url)
        return started[-1]

    yield start
    for server in started:
        server.close()
