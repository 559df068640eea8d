"""`frontalize`: the front is the mean z of frontal faces of the val split, and each face keeps its person."""

import cv2
import numpy as np
import pytest

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications.frontalizing import frontal, frontal_code, frontalize, sheet
from pipeline.applications.prepared import prepared
from pipeline.applications.recombine import recombine
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError
from tests.applications.projects import prepare_heads, prepare_images
from tests.applications.test_recombine import save_model


@pytest.fixture
def model(tmp_path, monkeypatch):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    return FaceSynthesizer(tmp_path / paths.MODEL)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8)


def test_the_front_is_the_mean_of_the_frontal_photographs_of_the_val_split_alone(model, images, tmp_path):
    """Not of those that are turned, of another split, or of which nobody knows."""
    prepare_images(
        tmp_path, images,
        split=["val", "val", "val", "test", "val"], yaw=[3.0, 30.0, -9.0, 0.0, None],
    )  # fmt: skip
    z = frontal_code(model, Faces(paths.FACES))
    np.testing.assert_allclose(z[0], model.attributes(images[[0, 2]]).mean(0), atol=1e-6)


def test_of_rendered_heads_the_true_yaw_counts(model, tmp_path):
    prepare_heads(tmp_path, {"val": 2}, each=2, yaw=4.0)
    faces = Faces(paths.FACES)
    z = frontal_code(model, faces)
    np.testing.assert_allclose(z[0], model.attributes(faces.images(range(4))).mean(0), atol=1e-6)


def test_without_frontal_faces_it_asks_for_a_template(model, images, tmp_path):
    prepare_images(tmp_path, images, split=["val"] * 5, yaw=[45.0] * 5)
    with pytest.raises(UserError, match="no frontal face in its val split: name a photograph with --template"):
        frontal_code(model, Faces(paths.FACES))


def test_prepared_faces_that_are_missing_or_of_another_size_are_refused_with_the_way_out(model, images, tmp_path):
    with pytest.raises(UserError, match="data/faces is not there: do something else, or make it with `dvc repro"):
        prepared(model, "do something else")
    prepare_images(tmp_path, images[:, :16, :16], split=["val"] * 5)
    with pytest.raises(UserError, match="faces of 16 pixels and the model makes 32: do something else"):
        prepared(model, "do something else")


def test_each_photograph_gives_its_person_and_all_give_their_mean(model, images):
    z = model.attributes(images[:1])
    fronts = frontal(model, images[1:4], z)
    expected = model.synthesize(model.identity(images[2:3]), z)[0]
    assert np.abs(fronts.each[1].astype(int) - expected).max() <= 1
    expected = model.synthesize(model.person(images[1:4]), z)[0]
    assert np.abs(fronts.together.astype(int) - expected).max() <= 1
    picture = sheet(images[1:4], fronts)
    assert picture.shape == (2 * 34 - 2, 4 * 34 - 2, 3)
    assert np.array_equal(picture[:32, 34:66], images[2])
    assert np.array_equal(picture[34:, 102:], fronts.together)


@pytest.mark.parametrize("out", ["front.jpg", "."])
def test_a_place_that_does_not_do_is_refused_at_once(model, out):
    with pytest.raises(UserError, match=r"let --out end in .png|new or empty"):
        frontalize([paths.MODEL], None, paths.MODEL / out)


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_become_a_face_or_a_sheet_or_a_folder(model, tmp_path, shared, monkeypatch):
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    person, other = sorted(p for p in (shared / "faces" / "london").iterdir() if p.is_dir())[:2]
    template, one, two = other / "neutral.jpg", person / "neutral.jpg", person / "smiling.jpg"
    made = frontalize([one], template, tmp_path / "one.png")
    recombine([one], template, tmp_path / "expected.png")
    got, expected = (cv2.imread(str(tmp_path / name)).astype(int) for name in ("one.png", "expected.png"))
    assert np.abs(got - expected).max() <= 1
    assert made["inputs"] == {"subject": [str(one)], "template": str(template)}
    frontalize([one, two], template, tmp_path / "fronts")
    assert {p.name for p in (tmp_path / "fronts").iterdir()} == {
        "sheet.png", "together.png", "000_neutral.png", "001_smiling.png"
    }  # fmt: skip
    with pytest.raises(UserError, match="--template"):
        frontalize([one], None, tmp_path / "none.png")
    assert not (tmp_path / "none.png").exists()


def test_its_help_has_an_example_and_says_that_results_are_marked(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["frontalize", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Example: python -m pipeline frontalize --subject" in said
    assert "The metadata say that the pictures are synthetic" in said
