"""Sliders of the demo: they move what `edit` moves, no further than heads go, and say what is missing."""

import numpy as np
import pytest

from pipeline import paths
from pipeline.applications.demo.showing import Showing
from pipeline.applications.demo.sliding import OFFERED, Sliding
from pipeline.applications.editing import KNOWN, Change, edited
from pipeline.datasets import heads
from pipeline.datasets.shards import Faces
from tests.applications.demo.sliders import keep_directions
from tests.applications.linear import Linear
from tests.applications.projects import prepare_heads

YAW = [d.name for d in heads.ATTRIBUTES].index("yaw")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def sliding(showing, here):
    keep_directions(here)
    return Sliding(showing)


def test_what_is_offered_is_known_to_edit_and_within_its_reach():
    for slider in OFFERED:
        (dimension,) = [d for d in KNOWN[slider.kind] if d.name == slider.name]
        assert dimension.kind != "circular"
        assert 0 < slider.reach <= dimension.high - dimension.low


def test_what_the_codes_hardly_tell_gets_no_slider_and_is_named(sliding):
    assert [s.name for s in sliding.sliders] == [s.name for s in OFFERED if s.name != "pitch"]
    assert "turn 0.75" in sliding.sentence
    assert sliding.sentence.endswith("tell next to nothing: look up.")


def test_in_the_middle_it_is_the_recombination(sliding, showing, files):
    subject, sample = files[0][1], files[1][2]
    shown, plain = sliding.changed(subject, sample, {}), showing.recombined(subject, sample)
    assert (shown.picture == plain.picture).all()
    assert (shown.seen["the true answer, rendered"] == plain.seen["the true answer, rendered"]).all()


@pytest.mark.parametrize("name", ["yaw", "beard"])
def test_a_slider_gives_what_edit_gives_of_the_same_face(sliding, showing, here, files, gallery, name):
    drawn = gallery.drawn(gallery.subjects[0])
    face = heads.render(*drawn, showing.model.image_size).image[None]
    (slider,) = [s for s in OFFERED if s.name == name]
    directions = keep_directions(here)
    change = Change(slider.kind, name, slider.reach / 4, relative=True)
    expected, _, _ = edited(showing.model, directions, face, change)
    shown = sliding.changed(files[0][0], files[0][0], {name: slider.reach / 4})
    assert (shown.picture == expected[0]).all()
    assert (shown.picture != shown.seen["all sliders in the middle"]).any()


def test_the_true_answer_is_the_head_with_the_change_and_ends_where_heads_end(sliding, showing, gallery, files):
    who, how = gallery.drawn(gallery.subjects[0]), gallery.drawn(gallery.samples[0])
    for amount in (10.0, 10_000.0):
        scene = how.attributes.copy()
        scene[YAW] = min(scene[YAW] + min(amount, 45.0), 45.0)
        expected = heads.render(who.identity, scene, showing.model.image_size).image
        shown = sliding.changed(files[0][0], files[1][0], {"yaw": amount})
        assert (shown.seen["the true answer, rendered"] == expected).all()


class Seeing(Linear):
    """Of a rendered head it sees what `Linear` draws of the same numbers."""

    fingerprint = "0" * 16

    def __init__(self):
        super().__init__()
        self.known = {}

    def learn(self, renderings, people, scenes):
        drawn = self.draw(people, scenes)
        self.known |= {image.tobytes(): one for image, one in zip(renderings, drawn, strict=True)}

    def _codes(self, images):
        return super()._codes(np.stack([self.known.get(image.tobytes(), image) for image in images]))


@pytest.mark.slow
def test_where_everything_is_linear_the_sliders_give_the_truth(here, gallery, files):
    prepare_heads(here, {"train": 300}, each=1, seed=3)
    faces, model = Faces(here / paths.FACES), Seeing()
    rows = faces.of_split("train")
    model.learn(faces.images(rows), faces.column("identity_vector", rows), faces.column("attribute_vector", rows))
    who, how = gallery.drawn(gallery.subjects[2]), gallery.drawn(gallery.samples[3])
    for head in (who, how):
        model.learn(heads.render(*head, model.image_size).image[None], head.identity[None], head.attributes[None])
    sliding = Sliding(Showing(model, gallery))
    assert list((here / paths.DIRECTIONS).iterdir())
    assert sliding.sliders == OFFERED
    shown = sliding.changed(files[0][2], files[1][3], {"yaw": -20.0, "beard": 0.2, "smile": -0.3})
    person = changed(who.identity, heads.IDENTITY, beard=0.2)
    scene = changed(how.attributes, heads.ATTRIBUTES, yaw=-20.0, smile=-0.3)
    assert np.abs(shown.picture.astype(int) - model.draw(person[None], scene[None])[0]).max() <= 2


def changed(vector, dimensions, **by):
    """Numbers moved, each within its range."""
    amounts = np.array([by.get(d.name, 0.0) for d in dimensions])
    low, high = ([getattr(d, end) for d in dimensions] for end in ("low", "high"))
    return np.where(amounts == 0, vector, np.clip(vector + amounts, low, high))


def test_without_heads_to_learn_from_it_says_how_to_get_them(showing, here):
    sliding = Sliding(showing)
    assert sliding.sliders == ()
    assert sliding.sentence.startswith("There are no sliders: data/faces is not there")
    assert "dvc repro prepare" in sliding.sentence
