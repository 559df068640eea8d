"""What the demo shows, without the page: right pictures, right numbers, and a sentence for each mistake."""

import os

import numpy as np
import pytest

from pipeline.applications.demo.files import Files
from pipeline.applications.demo.gallery import true_answer
from pipeline.applications.demo.showing import MAX_UPLOAD, cosine
from pipeline.datasets import heads
from pipeline.datasets.photographs.decoding import decode
from pipeline.datasets.shards import encode
from pipeline.errors import UserError

SIDE = 32


def test_a_head_is_known_again_by_its_pixels_and_nothing_else_is(gallery):
    picture = gallery.samples[2]
    drawn = gallery.drawn(decode(encode(picture)))
    assert (heads.render(*drawn, picture.shape[0]).image == picture).all()
    assert gallery.drawn(picture[:, ::-1]) is None
    assert gallery.drawn(picture.reshape(1, -1, 3)) is None


def test_two_heads_give_the_models_answer_and_the_true_one(showing, gallery, files):
    subject, sample = files[0][1], files[1][2]
    shown = showing.recombined(subject, sample)
    who, how = gallery.drawn(gallery.subjects[1]), gallery.drawn(gallery.samples[2])
    faces = [true_answer(head, head, SIDE) for head in (who, how)]
    f_I, z = (
        code[None] for code in (showing.model.identity(faces[0][None])[0], showing.model.attributes(faces[1][None])[0])
    )
    assert (shown.picture == showing.model.synthesize(f_I, z)[0]).all()
    seen = list(shown.seen.values())
    assert [(a == b).all() for a, b in zip(seen, [*faces, true_answer(who, how, SIDE)], strict=True)] == [True] * 3
    assert shown.likeness["the subject"] == pytest.approx(
        cosine(showing.model.identity(shown.picture[None])[0], f_I[0]), abs=1e-6
    )
    assert "own identity encoder" in shown.sentence


@pytest.mark.parametrize("people", [False, True])
def test_the_ends_of_a_morph_are_recombinations(showing, files, people):
    (subject, other), sample = files[0][:2], files[1][0]
    far = (other, sample) if people else (subject, files[1][1])
    end = other if people else files[1][1]
    near, middle, there = (showing.between(subject, sample, end, people, share).picture for share in (0, 0.5, 1))
    assert np.abs(near.astype(int) - showing.recombined(subject, sample).picture).max() <= 1
    assert np.abs(there.astype(int) - showing.recombined(*far).picture).max() <= 1
    assert (middle != near).any()
    assert (middle != there).any()


def test_a_grid_is_every_subject_with_every_sample(showing, files):
    picture = showing.grid(files[0][:2], files[1][:3]).picture
    step = SIDE + 2
    assert picture.shape == (3 * step - 2, 4 * step - 2, 3)
    cell = picture[2 * step : 2 * step + SIDE, 3 * step : 3 * step + SIDE]
    assert np.abs(cell.astype(int) - showing.recombined(files[0][1], files[1][2]).picture).max() <= 1


def test_each_mistake_is_a_sentence_that_does_not_tell_where_the_file_lies(showing, files, tmp_path):
    subject, sample = files[0][0], files[1][0]
    (tmp_path / "words.jpg").write_text("no image")
    (tmp_path / "empty.png").touch()
    (tmp_path / "large.png").touch()
    os.truncate(tmp_path / "large.png", MAX_UPLOAD + 1)
    (tmp_path / "other.png").write_bytes(encode(np.full((64, 64, 3), 90, np.uint8)))
    for name, words in {
        "words.jpg": "not an image",
        "empty.png": "zero bytes",
        "large.png": "more than",
        "gone.png": "cannot be opened",
        "other.png": "python -m pipeline fetch yunet",
    }.items():
        with pytest.raises(UserError, match=words) as caught:
            showing.recombined(tmp_path / name, sample)
        assert str(tmp_path) not in str(caught.value)
    with pytest.raises(UserError, match="The sample is missing"):
        showing.recombined(subject, None)
    with pytest.raises(UserError, match="At most 6"):
        showing.grid([subject] * 7, [sample])
    with pytest.raises(UserError, match="at least one"):
        showing.grid([subject], [])


@pytest.mark.shared
def test_photographs_are_aligned_and_those_without_a_face_refused(showing, files, shared, tmp_path, monkeypatch):
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    photograph = next((shared / "faces" / "london").glob("*/neutral.jpg"))
    shown = showing.recombined(photograph, files[1][0])
    assert len(shown.seen) == 2  # nobody knows the true answer
    assert next(iter(shown.seen.values())).shape == (SIDE, SIDE, 3)
    (tmp_path / "wall.png").write_bytes(encode(np.full((200, 200, 3), 90, np.uint8)))
    with pytest.raises(UserError, match="The sample does not do: no face was found"):
        showing.recombined(photograph, tmp_path / "wall.png")


def test_the_page_says_what_the_model_is_not_for_and_that_pictures_are_marked(showing):
    said = showing.about()
    assert "trained on rendered heads and does badly on photographs" in said
    assert f"synthetic, made by Facet, model {showing.model.fingerprint}" in said


def test_what_is_old_is_deleted_but_the_gallery_stays(tmp_path):
    files = Files(tmp_path)
    kept, made = files.keep(b"head"), files.put(b"answer")
    upload = tmp_path / "0123" / "me.jpg"
    upload.parent.mkdir()
    upload.write_bytes(b"photograph")
    fresh = files.put(b"another")
    film = files.put(b"film", ".mp4")
    for path in (kept, made, upload, film):
        os.utime(path, (0, 0))
    files.forget()
    assert [path.exists() for path in (kept, made, upload, film, fresh)] == [True, False, False, False, True]
