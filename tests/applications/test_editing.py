"""`edit` with a model whose right answers are known, against heads that were rendered anew, and as a command."""

import json

import numpy as np
import pytest
import torch
from PIL import Image

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications import editing
from pipeline.applications.directions import Directions
from pipeline.applications.edit_truth import against_truth, rendered
from pipeline.applications.editing import KNOWN, Change, by_person, checked
from pipeline.applications.recombine import recombine
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets import heads
from pipeline.errors import UserError
from pipeline.metrics.truth import psnr
from tests.applications.linear import CONTRAST, PIXELS, Linear
from tests.applications.projects import prepare_heads, prepare_images
from tests.applications.test_recombine import save_model

YAW = Change("attribute", "yaw", 20.0, relative=True)


@pytest.fixture(scope="module")
def linear():
    """The model, and its directions by three hundred heads."""
    model, rng = Linear(), np.random.default_rng(0)
    people = np.stack([heads.sample_identity(rng) for _ in range(300)])
    scenes = np.stack([heads.sample_attributes(rng) for _ in range(300)])
    images, person = model.draw(people, scenes), np.arange(300)
    codes = {"trait": (model.identity(images), people), "attribute": (model.attributes(images), scenes)}
    return model, {kind: Directions.fit(*codes[kind], KNOWN[kind], person) for kind in KNOWN}


def new_heads(count, seed=1):
    rng = np.random.default_rng(seed)
    people, scenes = (np.stack([draw(rng) for _ in range(count)]) for draw in (heads.sample_identity,
        heads.sample_attributes))  # fmt: skip
    scenes[:, 0] = np.linspace(-40, 20, count)  # room for 20 degrees more
    return people, scenes


@pytest.mark.parametrize(
    "change",
    [
        YAW,
        Change("attribute", "smile", 1.0, relative=False),
        Change("attribute", "background_hue", 40.0, relative=True),
        Change("trait", "beard", 0.0, relative=False),
        Change("trait", "jaw_width", 1.0, relative=False),
    ],
)
def test_where_everything_is_linear_an_edited_head_is_the_truth(linear, change):
    model, directions = linear
    truth = against_truth(model, directions, change, *new_heads(12), model.draw)
    assert truth.edited.min() > 60  # dB: an error of a quarter of a grey level, where rounding ends
    assert truth.untouched.min() < 50


def test_the_distance_of_the_untouched_head_is_the_one_that_can_be_worked_out(linear):
    """20 of 90 degrees is 4/9 of a unit, so many times the pattern's contrast over all pixels."""
    model, directions = linear
    truth = against_truth(model, directions, YAW, *new_heads(12), model.draw)
    away = 20 / 45 * CONTRAST / np.sqrt(PIXELS)
    expected = 10 * np.log10(255**2 / (away**2 + 2 / 12))  # of two roundings, a twelfth each
    assert truth.untouched.mean().item() == pytest.approx(expected, abs=0.3)


def test_the_truth_is_the_same_head_rendered_with_the_change(linear):
    class Copier(Linear):
        """Draws what it was shown."""

        def identity(self, images):
            self.shown = images
            return super().identity(images)

        def synthesize(self, f_I, z):
            return self.shown

    people, scenes = new_heads(3)
    truth = against_truth(Copier(), linear[1], YAW, people, scenes, rendered(32))
    after = scenes.copy()
    after[:, 0] += 20
    before, true = (torch.from_numpy(rendered(32)(people, some)).permute(0, 3, 1, 2) for some in (scenes, after))
    torch.testing.assert_close(truth.edited, psnr(before, true))
    assert truth.edited.max() < 30


def test_a_person_is_the_mean_of_several_photographs_as_long_as_they_are():
    rows = np.array([[3.0, 0.0], [0.0, 5.0], [2.0, 2.0]])
    means = by_person(rows, np.array([0, 0, 1]))
    assert np.linalg.norm(means[0]) == pytest.approx(4)
    np.testing.assert_allclose(means[0] / np.linalg.norm(means[0]), np.array([3, 5]) / np.sqrt(34))
    np.testing.assert_allclose(means[1], [2, 2])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (Change("trait", "yaw", 0, relative=False), "no trait is called 'yaw'; there are: skull_width, "),
        (Change("attribute", "yaw", 50, relative=False), "--to of yaw should be from -45 to 45 "),
        (Change("attribute", "yaw", -91, relative=True), "--by of yaw should be from -90 to 90 "),
        (Change("trait", "beard", float("nan"), relative=False), "--to of beard should be from 0 to 1 "),
    ],
)
def test_what_cannot_be_changed_is_said_with_what_can(change, said):
    with pytest.raises(UserError, match=said):
        checked(change)


@pytest.fixture
def project(tmp_path, monkeypatch):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    return FaceSynthesizer(tmp_path / paths.MODEL)


def test_directions_are_fitted_once_and_found_again(project, tmp_path):
    prepare_heads(tmp_path, {"train": 8, "val": 2}, each=3)
    found = editing.known_directions(project)
    (file,) = (tmp_path / paths.DIRECTIONS).iterdir()
    assert file.name == f"{project.fingerprint}.safetensors"
    before = file.stat().st_mtime_ns
    again = editing.known_directions(project)
    assert file.stat().st_mtime_ns == before
    for kind in KNOWN:
        for name, array in found[kind]._asdict().items():
            assert np.array_equal(again[kind]._asdict()[name], array)
    assert found["trait"].length[0] > 0  # the model's f_I lie on a sphere
    lines = editing.as_text(found).splitlines()
    assert len(lines) == 2 + len(heads.ATTRIBUTES) + len(heads.IDENTITY)
    file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match=r"is damaged .* edit --fit` makes it again"):
        editing.known_directions(project)
    editing.keep(file, {kind: Directions(*(a[..., :1] for a in found[kind])) for kind in KNOWN})
    with pytest.raises(UserError, match="is of other heads"):
        editing.known_directions(project)


def test_too_few_people_or_photographs_without_numbers_are_refused(project, tmp_path):
    with pytest.raises(UserError, match="learns its directions from rendered heads"):
        editing.fit(project)
    prepare_heads(tmp_path, {"train": 5}, each=1)
    with pytest.raises(UserError, match="5 people are too few"):
        editing.fit(project)
    prepare_images(tmp_path, np.zeros((8, 32, 32, 3), np.uint8), split=["train"] * 8, identity=list("abcdefgh"))
    with pytest.raises(UserError, match="holds photographs, of which no attributes are known"):
        editing.fit(project)


@pytest.mark.parametrize("given", [["--attribute", "yaw"], ["--photograph", "a.jpg", "--out", "b.png", "--by", "1"]])
def test_what_is_missing_is_said(given):
    asked = parser().parse_args(["edit", *given])
    with pytest.raises(UserError, match="give --photograph, --out, one of --attribute and --trait"):
        asked.run(asked)


def test_directions_are_found_anew_by_a_command_of_its_own():
    for more in (["--photograph", "a.jpg"], ["--by", "0"], ["--json"]):
        asked = parser().parse_args(["edit", "--fit", *more])
        with pytest.raises(UserError, match="--fit stands alone"):
            asked.run(asked)


@pytest.mark.shared
@pytest.mark.slow
def test_a_photograph_is_edited_and_the_file_says_how(project, tmp_path, shared, monkeypatch, capsys, caplog):
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    Image.new("RGB", (200, 200), (90, 120, 90)).save("wall.png")
    with pytest.raises(UserError, match=r"wall.png: no face was found"):  # though there are no heads to learn from
        editing.edit([tmp_path / "wall.png"], Change("attribute", "yaw", 40, relative=True), tmp_path / "wall_made.png")
    prepare_heads(tmp_path, {"train": 8}, each=3)
    face = next((shared / "faces" / "london").glob("*/neutral.jpg"))
    for name, amount in (("still", "0"), ("turned", "40")):
        asked = parser().parse_args(
            ["edit", "--photograph", str(face), "--attribute", "yaw", "--by", amount, "--out", f"{name}.png"]
        )
        asked.run(asked)
        assert capsys.readouterr().out == f"{name}.png\n"
    assert "tell next to nothing of yaw" in caplog.text  # nothing was learned, and by few heads
    recombine([face], face, tmp_path / "drawn.png")
    drawn, still, turned = (np.asarray(Image.open(f"{name}.png")).astype(int) for name in ("drawn", "still", "turned"))
    assert np.abs(drawn - still).max() <= 1
    assert not np.array_equal(still, turned)
    with Image.open("turned.png") as picture:
        assert picture.text["Comment"] == f"synthetic, made by Facet, model {project.fingerprint}"
    made = json.loads((tmp_path / "turned.png.json").read_text())["settings"]
    assert made["to"][0] - made["from"][0] == pytest.approx(40)
    assert np.isfinite(made["drawn"]).all()
    several = ["edit", "--photograph", str(face), str(face.parent), "--attribute", "yaw", "--by", "40", "--out"]
    with pytest.raises(UserError, match=r"several.png: 3 photographs do not go into one; name a folder"):
        editing.edit([face, face.parent], Change("attribute", "yaw", 40, relative=True), tmp_path / "several.png")
    asked = parser().parse_args([*several, "several"])
    asked.run(asked)
    files = sorted(path.name for path in (tmp_path / "several").iterdir())
    assert files == ["000_neutral.png", "001_neutral.png", "002_smiling.png"]
    assert np.abs(np.asarray(Image.open(f"several/{files[0]}")).astype(int) - turned).max() <= 1
    said = json.loads((tmp_path / "several.json").read_text())
    assert len(said["inputs"]["photograph"]) == len(said["settings"]["drawn"]) == 3
    asked = parser().parse_args(["edit", "--fit"])
    asked.run(asked)
    assert "--attribute yaw" in capsys.readouterr().out


def test_its_help_has_an_example_and_says_that_results_are_marked(capsys):
    with pytest.raises(SystemExit):
        parser().parse_args(["edit", "--help"])
    said = " ".join(capsys.readouterr().out.split())
    assert "Example: python -m pipeline edit --photograph a.jpg --attribute yaw --by 20" in said
    assert "metadata say that it is synthetic" in said
