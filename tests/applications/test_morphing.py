"""`morph`: its ends are recombinations to the last bit, and what lies between stays where people lie."""

import io
import json
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications import films
from pipeline.applications.morphing import along_line, along_sphere, deliver, morph, strip, way
from pipeline.applications.recombine import recombine
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.errors import UserError
from tests.applications.test_recombine import save_model

COUNT = 5


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path)
    return FaceSynthesizer(tmp_path / paths.MODEL)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (4, 32, 32, 3), dtype=np.uint8)


@pytest.fixture
def photographs(tmp_path, shared, monkeypatch):
    """A project with an untrained model, and photographs of two people, neutral and smiling."""
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    people = sorted(p for p in (shared / "faces" / "london").iterdir() if p.is_dir())[:2]
    return [(person / "neutral.jpg", person / "smiling.jpg") for person in people]


def test_a_quarter_turn_is_walked_in_equal_angles():
    a, b = np.array([1.0, 0.0]), np.array([0.0, 1.0])
    third = along_sphere(a, b, 1 / 3)
    np.testing.assert_allclose(third, [np.cos(np.pi / 6), np.sin(np.pi / 6)], atol=1e-12)


@pytest.mark.parametrize("t", np.linspace(0, 1, 7))
def test_the_length_of_a_person_goes_from_one_to_the_other(t):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, 16))
    b *= 3
    expected = (1 - t) * np.linalg.norm(a) + t * np.linalg.norm(b)
    assert np.linalg.norm(along_sphere(a, b, t)) == pytest.approx(expected)


def test_between_equal_people_nothing_changes_and_between_opposites_there_is_no_way():
    a = np.array([3.0, 4.0], np.float32)
    np.testing.assert_allclose(along_sphere(a, a, 0.3), a, rtol=1e-6)
    with pytest.raises(ValueError, match="opposite"):
        along_sphere(a, -a, 0.5)


@pytest.mark.parametrize("along", [along_sphere, along_line])
def test_the_ends_of_a_way_are_its_ends_to_the_last_bit(along):
    a, b = np.random.default_rng(0).standard_normal((2, 64)).astype(np.float32)
    for t, end in ((0.0, a), (1.0, b)):
        reached = along(a, b, t)
        assert reached.dtype == np.float32
        assert np.array_equal(reached, end)


def test_first_and_last_frame_are_the_recombinations(model, images):
    f_I, z = model.identity(images), model.attributes(images)
    frames = way(model, (f_I[0], f_I[1]), (z[2], z[3]), COUNT)
    assert len(frames) == COUNT
    for frame, s, a in ((frames[0], 0, 2), (frames[-1], 1, 3)):
        assert np.array_equal(frame, model.synthesize(f_I[s][None], z[a][None])[0])
    assert len(np.unique(frames.reshape(COUNT, -1), axis=0)) == COUNT


def test_frames_lie_in_lines_of_equal_length(images):
    many = np.resize(images, (14, 32, 32, 3))
    sheet = strip(many)
    assert sheet.shape == (2 * 34 - 2, 12 * 34 - 2, 3)
    assert np.array_equal(sheet[34:66, :32], many[12])
    assert (sheet[34:66, 2 * 34 :] == 255).all()


def test_an_animation_shows_every_frame_and_says_what_it_is(images):
    with Image.open(io.BytesIO(films.gif(images, "0" * 16))) as film:
        assert film.n_frames == len(images)
        assert film.info["comment"] == b"synthetic, made by Facet, model 0000000000000000"


def test_a_film_can_be_read_back_and_says_what_it_is():
    av = pytest.importorskip("av")
    frames = np.full((COUNT, 32, 32, 3), 200, np.uint8) // np.arange(1, COUNT + 1, dtype=np.uint8)[:, None, None, None]
    with av.open(io.BytesIO(films.mp4(frames, "0" * 16))) as film:
        assert film.metadata["comment"] == "synthetic, made by Facet, model 0000000000000000"
        shown = [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]
    assert len(shown) == COUNT
    for frame, seen in zip(frames, shown, strict=True):
        assert abs(seen.mean() - frame.mean()) < 4


def test_without_pyav_a_film_says_what_to_install(monkeypatch, images):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(UserError, match=r"an \.mp4 takes PyAV: `pip install av`, or let --out end in .gif"):
        films.mp4(images, "0" * 16)


def test_a_folder_of_frames_is_whole_and_nothing_is_overwritten(images, tmp_path):
    deliver(tmp_path / "frames", images, "0" * 16, {"out": "frames"})
    assert [p.name for p in sorted((tmp_path / "frames").iterdir())] == [f"{n:04d}.png" for n in range(4)]
    assert np.array_equal(cv2.imread(str(tmp_path / "frames" / "0002.png"))[..., ::-1], images[2])
    assert json.loads((tmp_path / "frames.json").read_text())["facet"] == "synthetic, made by Facet"
    with pytest.raises(UserError, match="is there already"):
        deliver(tmp_path / "frames", images, "0" * 16, {"out": "frames"})
    assert not list(tmp_path.glob(".*"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"to_sample": None}, "name where to"),
        ({"count": 1}, r"from 2 to 1000 \(got 1\)"),
        ({"count": 10**9}, "from 2 to 1000"),
        ({"out": "a.jpg"}, "end in .png, .gif or .mp4"),
        ({"out": "."}, "new or empty"),
    ],
)
def test_a_mistake_is_said_before_anything_is_read(tmp_path, monkeypatch, change, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "something").touch()
    asked = {"to_sample": tmp_path, "count": COUNT, "out": "a.png"} | change
    with pytest.raises(UserError, match=said):
        morph([tmp_path], [], tmp_path, asked["to_sample"], asked["count"], tmp_path / asked["out"])


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_become_frames_whose_ends_recombine_makes(photographs, tmp_path):
    (a, to_sample), (to_subject, sample) = photographs
    made = morph([a], [to_subject], sample, to_sample, COUNT, tmp_path / "frames")
    assert made["inputs"]["to_subject"] == [str(to_subject)]
    recombine([a], sample, tmp_path / "first.png")
    recombine([to_subject], to_sample, tmp_path / "last.png")
    for name, frame in (("first", 0), ("last", COUNT - 1)):
        ends = [cv2.imread(str(tmp_path / f)) for f in (f"{name}.png", f"frames/{frame:04d}.png")]
        assert np.array_equal(*ends)
    morph([a], [], sample, to_sample, COUNT, tmp_path / "strip.png")
    with Image.open(tmp_path / "strip.png") as picture:
        assert picture.size == (COUNT * 34 - 2, 32)
        assert picture.text["Comment"] == f"synthetic, made by Facet, model {made['model']}"


def test_its_help_has_an_example_and_says_that_results_are_marked(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["morph", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Example: python -m pipeline morph --subject a.jpg" in said
    assert "The metadata say that the pictures are synthetic" in said
