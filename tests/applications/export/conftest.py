"""One exported folder for all tests of this folder: writing it takes half a minute on a slow machine."""

import shutil

import pytest
import torch

from pipeline import paths
from tests.applications.test_recombine import save_model


@pytest.fixture(scope="session")
def exported_once(tmp_path_factory):
    from pipeline.applications.export.folder import export

    top = tmp_path_factory.mktemp("project")
    torch.manual_seed(0)
    save_model(top)
    return top, export(top / "made" / "exported", top / paths.MODEL)


@pytest.fixture
def exported(exported_once, tmp_path):
    """A copy that a test may spoil."""
    return shutil.copytree(exported_once[0] / "made" / "exported", tmp_path / "exported")
