"""What the demo is asked: an untrained model, the gallery, and where its files lie; and a browser for its page."""

import pytest

from pipeline import paths
from pipeline.applications.demo.files import Files
from pipeline.applications.demo.gallery import Gallery
from pipeline.applications.demo.showing import Showing
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.shards import encode
from tests.applications.demo.browsing import Tab
from tests.applications.test_recombine import save_model


@pytest.fixture(scope="session")
def gallery():
    return Gallery()


@pytest.fixture
def showing(gallery, tmp_path, monkeypatch):
    """An untrained model, and no detector anywhere."""
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    save_model(tmp_path, source="rendered")
    return Showing(FaceSynthesizer(tmp_path / paths.MODEL), gallery)


@pytest.fixture
def files(gallery, tmp_path):
    """The gallery as files: subjects, samples."""
    folder = Files(tmp_path)
    return [[folder.keep(encode(picture)) for picture in side] for side in (gallery.subjects, gallery.samples)]


@pytest.fixture
def tab(chromium, tmp_path):
    opened = Tab(chromium, tmp_path / "profile")
    yield opened
    opened.close()
