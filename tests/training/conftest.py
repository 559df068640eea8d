"""One project with faces and a recogniser, for all tests that train there in copies."""

import pytest

from tests.training import projects


@pytest.fixture(scope="session")
def ready(tmp_path_factory):
    return projects.prepared(tmp_path_factory.mktemp("ready") / "project")
