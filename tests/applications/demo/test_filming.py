"""Films of the demo: they are read back; those over a limit, and what is no film, are refused with a sentence."""

import io

import av
import cv2
import numpy as np
import pytest

from pipeline.applications.demo import filming
from pipeline.applications.demo.filming import PERFORMANCE, STEPS, Filming
from pipeline.datasets import heads
from pipeline.errors import UserError
from tests.applications.acting.filming import moving, plain, write
from tests.applications.acting.filming import pictures as pictures_of


@pytest.fixture
def films(showing, tmp_path):
    (tmp_path / "films").mkdir()
    return Filming(showing, tmp_path / "films")


@pytest.fixture
def detected(shared, monkeypatch):
    """With the detector in reach."""
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))


def read(film):
    """Its comment and its pictures, uint8 [N, H, W, 3]."""
    with av.open(io.BytesIO(film)) as container:
        images = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
        return container.metadata["comment"], np.stack(images).astype(int)


def near(film_picture, face):
    """Whether a picture of a film is a face, enlarged, but for what coding costs."""
    small = cv2.resize(film_picture.astype(np.uint8), face.shape[1::-1], interpolation=cv2.INTER_AREA)
    return np.abs(small.astype(int) - face).mean() < 12


def test_the_film_of_a_way_goes_there_and_back(films, showing, files):
    ends = files[0][0], files[1][0], files[1][1]
    made = films.between(*ends, people=False)
    comment, shown = read(made.film)
    assert comment == f"synthetic, made by Facet, model {showing.model.fingerprint}"
    assert shown.shape == (2 * STEPS - 2, 256, 256, 3)
    assert near(shown[0], showing.between(*ends, False, 0).picture)
    assert near(shown[STEPS - 1], showing.between(*ends, False, 1).picture)
    assert list(made.seen) == ["subject", "sample", "far end"]


def test_a_head_performs_beside_the_subject_and_the_truth(films, showing, files, gallery):
    made = films.performed(files[0][1])
    comment, shown = read(made.film)
    assert "synthetic" in comment
    assert shown.shape == (PERFORMANCE, 256, 3 * 256, 3)
    person, scenes = filming.performance()
    who = gallery.drawn(gallery.subjects[1])
    for place, identity in ((0, person), (2, who.identity)):
        true = heads.render(identity, scenes[7], showing.model.image_size).image
        assert near(shown[7, :, 256 * place : 256 * (place + 1)], true)
    given = heads.render(person, scenes[7], showing.model.image_size).image
    own = heads.render(*who, showing.model.image_size).image
    answer = showing.model.synthesize(showing.model.identity(own[None]), showing.model.attributes(given[None]))[0]
    assert near(shown[7, :, 256:512], answer)


@pytest.mark.shared
def test_a_clip_gets_the_face_and_keeps_its_times_and_sound(films, showing, files, detected, shared, tmp_path):
    face = cv2.imread(str(next((shared / "faces" / "london").glob("*/neutral.jpg"))))[..., ::-1]
    clip = write(tmp_path / "clip.mp4", [moving(face, number) for number in range(6)])
    made = films.acted(files[0][0], clip)
    (tmp_path / "made.mp4").write_bytes(made.film)
    before, after = pictures_of(clip), pictures_of(tmp_path / "made.mp4")
    assert [t for t, _ in after] == [t for t, _ in before]
    assert max(np.abs(a.astype(int) - b).mean() for (_, a), (_, b) in zip(before, after, strict=True)) > 1.5
    assert made.sentence.startswith("6 of 6 pictures show the face")
    with av.open(str(tmp_path / "made.mp4")) as container:
        assert container.metadata["comment"].startswith("synthetic, made by Facet, model ")
        assert container.streams.audio
    assert list((tmp_path / "films").iterdir()) == []


@pytest.mark.shared
def test_what_is_no_clip_within_the_limits_is_refused(films, files, detected, tmp_path, monkeypatch):
    (tmp_path / "words.mp4").write_text("no film")
    write(tmp_path / "long.mp4", [plain(0)] * 2, times=[0, 12 * 12800])
    write(tmp_path / "empty.mp4", [plain(0)] * 4)
    write(tmp_path / "wide.mp4", [np.zeros((1080, 1936, 3), np.uint8)] * 2, sound=None)
    refused = {
        "words.mp4": "is no film",
        "gone.mp4": "is not there",
        "long.mp4": "more than 10 seconds",
        "empty.mp4": "no face was found in any of its pictures",
        "wide.mp4": "1936 × 1080 pixels",
    }
    for name, words in refused.items():
        with pytest.raises(UserError, match=f"^The clip does not do: .*{words}") as caught:
            films.acted(files[0][0], tmp_path / name)
        assert str(tmp_path) not in str(caught.value)
    monkeypatch.setattr(filming, "MAX_UPLOAD", 10)
    with pytest.raises(UserError, match="The clip does not do: the file has more than"):
        films.acted(files[0][0], tmp_path / "empty.mp4")
    with pytest.raises(UserError, match="The clip is missing"):
        films.acted(files[0][0], None)
    assert list((tmp_path / "films").iterdir()) == []


@pytest.mark.shared
def test_a_film_that_says_less_than_it_has_is_stopped_at_the_limit(films, files, detected, tmp_path, monkeypatch):
    write(tmp_path / "clip.mp4", [plain(number % 9) for number in range(20)])
    monkeypatch.setattr(filming, "MAX_PICTURES", 10)
    with pytest.raises(UserError, match="it has more than 10 seconds or 600 pictures"):
        films.acted(files[0][0], tmp_path / "clip.mp4")


def test_without_a_detector_it_says_how_to_get_it(films, files, tmp_path):
    with pytest.raises(UserError, match="python -m pipeline fetch yunet") as caught:
        films.acted(files[0][0], tmp_path / "clip.mp4")
    assert "The clip does not do" not in str(caught.value)
