"""The pictures of the documents: the tool makes them, and those that are here are marked and of one model."""

import re

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.applications.demo.gallery import Gallery
from pipeline.applications.synthesizer import FaceSynthesizer
from tests.applications.projects import prepare_heads
from tests.applications.test_editing import linear  # noqa: F401
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT
from tools import use_pictures
from tools.use_pictures import EDITS, FRAMES, LARGER, beside, edits, of_heads, of_photographs


@pytest.fixture
def model(tmp_path, monkeypatch):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    return FaceSynthesizer(paths.MODEL)


def says(file):
    with Image.open(file) as picture:
        return picture.info["Comment"]


def test_a_morph_and_edits_of_heads_that_no_data_set_has(model, tmp_path):
    prepare_heads(tmp_path, {"train": 8}, each=2)
    of_heads(model, tmp_path)
    sizes = {name: cv2.imread(str(tmp_path / f"{name}.png")).shape[:2] for name in ("morph", "edit")}
    side = 32 * LARGER + 2
    assert sizes == {"morph": (32, FRAMES * 34 - 2), "edit": (2 * side - 2, (len(EDITS) + 1) * side - 2)}
    for name in sizes:
        assert says(tmp_path / f"{name}.png") == f"synthetic, made by Facet, model {model.fingerprint}"


def test_where_everything_is_linear_what_is_edited_is_what_stands_below(linear, monkeypatch):  # noqa: F811
    model, known = linear
    gallery = Gallery()
    head = gallery.drawn(gallery.subjects[0])
    drawn = lambda _, several: model.draw(*(np.stack(vectors) for vectors in zip(*several, strict=True)))  # noqa: E731
    monkeypatch.setattr(use_pictures, "_faces", drawn)
    above, below = np.split(np.delete(edits(model, known, head).astype(int), [64, 65], axis=0), 2)
    assert np.abs(above - below).max() <= 3
    columns = [above[:, place * 66 : place * 66 + 64] for place in range(len(EDITS) + 1)]
    assert all(np.abs(columns[0] - column).mean() > 0.1 for column in columns[1:])


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_by_two_models_side_by_side(model, tmp_path, shared, monkeypatch):
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    files = sorted((shared / "faces" / "london").glob("*/neutral.jpg"))[:5]
    of_photographs(model, model, files[:2], files[2:], tmp_path)
    picture = cv2.imread(str(tmp_path / "photographs.png"))
    one = picture[:, : 4 * 34 - 2]
    assert picture.shape == (3 * 34 - 2, 2 * (4 * 34 - 2) + use_pictures.BETWEEN, 3)
    assert np.array_equal(picture, beside(one, one))
    with Image.open(tmp_path / "photographs.jpg") as small:
        assert small.size == (picture.shape[1], picture.shape[0])
        assert small.info["comment"].decode() == says(tmp_path / "photographs.png")


def test_the_pictures_of_the_documents_are_marked_and_of_one_model():
    found = {name: re.findall("[0-9a-f]{16}", says(ROOT / "docs" / f"{name}.png")) for name in ("morph", "edit")}
    of_photographs = says(ROOT / "docs" / "photographs.png")
    assert found["morph"] == found["edit"] == re.findall("[0-9a-f]{16}", of_photographs)[:1]
    with Image.open(ROOT / "pipeline" / "applications" / "demo" / "photographs.jpg") as picture:
        assert picture.info["comment"].decode() == of_photographs
