"""`recombine` on real photographs with an untrained model, and each mistake a person can make with it."""

import io
import json
import os
import shutil
import subprocess
import sys

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline import paths
from pipeline.__main__ import parser
from pipeline.applications import recombine as recombining
from pipeline.errors import UserError
from pipeline.methods import ipgan_networks
from pipeline.params import Model
from pipeline.training import weights
from tests.conftest import ROOT

CUT = {"image_size": 32, "margin": 0.0, "choose": "largest"}
MODEL = Model(
    method="ipgan", identity_dim=8, attribute_dim=4, width=4, style_dim=8,
    injection="modulation", normalized_features=True,
)  # fmt: skip


def save_pictures(top):
    """Two files that are there, which is all that is asked before there is a model."""
    for name in ("a.jpg", "b.jpg"):
        (top / name).write_bytes(b"a picture")


def save_model(top, **facts):
    said = {"identities": 3, "cut": CUT, "source": "photos", "model": MODEL.model_dump(), **facts}
    weights.save(top / paths.MODEL, ipgan_networks.networks(MODEL, 32, 3), said)


def recombine(top, *arguments, assets=None):
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(top)}
    if assets:
        env["FACET_ASSETS"] = str(assets)
    command = [sys.executable, "-m", "pipeline", "recombine", *map(str, arguments)]
    return subprocess.run(command, cwd=top, env=env, capture_output=True, text=True, check=False)


def refused(done, *words):
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    for word in words:
        assert word in done.stderr


@pytest.mark.shared
@pytest.mark.slow
def test_two_photographs_give_one_png_and_folders_a_grid(tmp_path, shared):
    save_model(tmp_path)
    faces = shared / "faces" / "london"
    people = sorted(p for p in faces.iterdir() if p.is_dir())[:3]
    for number, person in enumerate(people):
        for kind in ("neutral", "smiling"):
            (tmp_path / kind).mkdir(exist_ok=True)
            shutil.copy(person / f"{kind}.jpg", tmp_path / kind / f"{number}.jpg")
    (tmp_path / "smiling" / "notes.txt").write_text("not a photograph")
    one = recombine(
        tmp_path, "--subject", people[0] / "neutral.jpg", "--sample", people[1] / "smiling.jpg",
        "--out", "out/one.png", assets=shared / "models",
    )  # fmt: skip
    assert one.returncode == 0, one.stderr
    assert cv2.imread(str(tmp_path / "out" / "one.png")).shape == (32, 32, 3)
    several = recombine(
        tmp_path, "--subject", *people[0].glob("*.jpg"), "--sample", people[1] / "smiling.jpg", "--out", "two.png",
        "--json", assets=shared / "models",
    )  # fmt: skip
    assert several.returncode == 0, several.stderr
    made = json.loads(several.stdout)
    assert len(made["inputs"]["subject"]) == 2
    assert json.loads((tmp_path / "two.png.json").read_text())["model"] == made["model"]
    with Image.open(tmp_path / "two.png") as picture:
        assert picture.text["Comment"] == f"synthetic, made by Facet, model {made['model']}"
        assert "trainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]
    many = recombine(
        tmp_path, "--subjects", "neutral", "--samples", "smiling", "--out", "grid.png", assets=shared / "models"
    )
    assert many.returncode == 0, many.stderr
    assert "passed over: smiling/notes.txt" in many.stderr
    assert cv2.imread(str(tmp_path / "grid.png")).shape == (4 * 34 - 2, 4 * 34 - 2, 3)
    files = recombine(
        tmp_path, "--subjects", "neutral", "--sample", "smiling/0.jpg", "--out", "made", assets=shared / "models"
    )
    assert files.returncode == 0, files.stderr
    assert {p.name for p in (tmp_path / "made").iterdir()} == {"grid.png", "0_0.png", "1_0.png", "2_0.png"}
    assert json.loads((tmp_path / "made.json").read_text())["inputs"]["sample"] == ["smiling/0.jpg"]


@pytest.mark.shared
@pytest.mark.slow
def test_standard_input_and_output_can_stand_for_files(tmp_path, shared):
    save_model(tmp_path)
    face = next((shared / "faces" / "london").glob("*/neutral.jpg"))
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    command = [sys.executable, "-m", "pipeline", "recombine", "--subject", face, "--sample", "-", "--out", "-"]
    done = subprocess.run(
        command, cwd=tmp_path, env=env | {"FACET_ASSETS": str(shared / "models")}, input=face.read_bytes(),
        capture_output=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    with Image.open(io.BytesIO(done.stdout)) as picture:
        assert picture.size == (32, 32)


@pytest.mark.shared
@pytest.mark.slow
def test_photographs_that_do_not_do(tmp_path, shared):
    save_model(tmp_path, source="rendered")
    face = next((shared / "faces" / "london").glob("*/neutral.jpg"))
    portrait = cv2.imread(str(face))
    cv2.imwrite(str(tmp_path / "none.png"), np.full((200, 200, 3), 90, np.uint8))
    cv2.imwrite(str(tmp_path / "two.png"), np.hstack([portrait, cv2.resize(portrait, None, fx=0.5, fy=0.5,
                interpolation=cv2.INTER_AREA).repeat(2, 0)[:512]]))  # fmt: skip
    (tmp_path / "words.jpg").write_text("no image")
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "nobody").mkdir()
    shutil.copy(tmp_path / "none.png", tmp_path / "nobody")

    def with_subject(name, out="c.png"):
        key = "--subjects" if (tmp_path / name).is_dir() else "--subject"
        return recombine(tmp_path, key, name, "--sample", face, "--out", out, assets=shared / "models")

    refused(with_subject("none.png"), "none.png", "no face was found")
    refused(with_subject("words.jpg"), "words.jpg")
    refused(with_subject("empty.jpg"), "empty.jpg")
    refused(with_subject("gone.jpg"), "gone.jpg")
    refused(with_subject("nobody"), "nobody", "no face was found in any file")
    refused(with_subject("none.png", out="c.jpg"), "let --out end in .png")
    assert not list(tmp_path.glob("c.*"))
    several = with_subject("two.png")
    assert several.returncode == 0, several.stderr
    assert "2 faces were found, the largest one is used" in several.stderr
    assert "trained on rendered heads and does badly on photographs" in several.stderr


@pytest.mark.slow
def test_without_a_trained_model_it_says_how_to_get_one(tmp_path):
    save_pictures(tmp_path)
    done = recombine(tmp_path, "--subject", "a.jpg", "--sample", "b.jpg", "--out", "c.png")
    refused(done, "models/train", "dvc repro train", "dvc pull")


@pytest.mark.slow
def test_a_damaged_model_is_refused(tmp_path):
    save_model(tmp_path)
    file = tmp_path / paths.MODEL / weights.FILE
    file.write_bytes(file.read_bytes()[:1000])
    save_pictures(tmp_path)
    done = recombine(tmp_path, "--subject", "a.jpg", "--sample", "b.jpg", "--out", "c.png")
    refused(done, "is damaged", "dvc checkout")


@pytest.mark.slow
def test_without_a_detector_it_says_where_to_get_it(tmp_path):
    save_model(tmp_path)
    save_pictures(tmp_path)
    done = recombine(tmp_path, "--subject", "a.jpg", "--sample", "b.jpg", "--out", "c.png")
    refused(done, "python -m pipeline fetch yunet", "FACET_ASSETS")


def test_help_has_an_example():
    command = [sys.executable, "-m", "pipeline", "recombine", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "recombine --subject a.jpg --sample b.jpg --out c.png" in " ".join(done.stdout.split())


@pytest.mark.shared
@pytest.mark.slow
def test_the_face_can_be_pasted_into_the_samples_photograph(tmp_path, shared):
    save_model(tmp_path)
    x_s, x_a = sorted((shared / "faces" / "london").glob("*/neutral.jpg"))[:2]
    sample = cv2.copyMakeBorder(cv2.imread(str(x_a)), 40, 300, 200, 500, cv2.BORDER_CONSTANT, value=(20, 90, 160))
    cv2.imwrite(str(tmp_path / "scene.png"), sample)
    both = ("--subject", x_s, "--sample", "scene.png")
    done = recombine(tmp_path, *both, "--paste", "--out", "c.png", assets=shared / "models")
    assert done.returncode == 0, done.stderr
    pasted = cv2.imread(str(tmp_path / "c.png"))
    assert pasted.shape == sample.shape
    different = (pasted != sample).any(axis=2)
    assert 0.02 < different.mean() < 0.5
    rows, columns = np.nonzero(different)
    height, width = cv2.imread(str(x_a)).shape[:2]
    assert 40 <= rows.min() <= rows.max() < 40 + height
    assert 200 <= columns.min() <= columns.max() < 200 + width
    with Image.open(tmp_path / "c.png") as picture:
        assert "compositeWithTrainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]
    (tmp_path / "many").mkdir()
    assert json.loads((tmp_path / "c.png.json").read_text())["settings"] == {"paste": True}
    refused(recombine(tmp_path, "--subjects", "many", "--sample", x_a, "--paste", "--out", "d.png"), "--paste takes")


def ask(*arguments):
    """The command in this process; what it returns is on standard output."""
    given = parser().parse_args(["recombine", *map(str, arguments)])
    given.run(given)


@pytest.mark.shared
@pytest.mark.slow
def test_a_folder_as_sample_and_names_that_are_alike_and_the_grid_to_standard_output(
    tmp_path, shared, monkeypatch, capfdbinary
):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    first, second = sorted((shared / "faces" / "london").glob("*/neutral.jpg"))[:2]
    (tmp_path / "scene").mkdir()
    shutil.copy(first, "scene/a.jpg")
    cv2.imwrite("scene/a.png", cv2.imread(str(second)))
    ask("--subject", first, "--sample", "scene", "--out", "made", "--json")
    assert json.loads(capfdbinary.readouterr().out)["inputs"]["sample"] == ["scene/a.jpg", "scene/a.png"]
    names = ["0000_neutral_a.png", "0001_neutral_a.png"]
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [*names, "grid.png"]
    one, two, grid = (cv2.imread(f"made/{name}") for name in (*names, "grid.png"))
    assert not np.array_equal(one, two)
    assert np.array_equal(grid[34:, 34:66], one)
    assert np.array_equal(grid[34:, 68:], two)
    with Image.open("made/0001_neutral_a.png") as picture:
        assert "synthetic, made by Facet" in picture.text["Comment"]
    ask("--subject", first, "--sample", "scene", "--out", "-")
    with Image.open(io.BytesIO(capfdbinary.readouterr().out)) as picture:
        assert picture.size == grid.shape[1::-1]
    assert {path.name for path in tmp_path.iterdir()} == {"models", "scene", "made", "made.json"}
    with pytest.raises(UserError, match="made: is there already"):
        ask("--subject", first, "--sample", "scene", "--out", "made")


@pytest.mark.shared
@pytest.mark.slow
def test_one_person_by_several_photographs_in_all_photographs_of_a_scene(tmp_path, shared, monkeypatch, capsys):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    person, *others = sorted(p for p in (shared / "faces" / "london").iterdir() if p.is_dir())[:3]
    shutil.copytree(person, "ada")
    (tmp_path / "scene").mkdir()
    for number, other in enumerate(others):
        cv2.imwrite(f"scene/{number}.png", cv2.imread(str(other / "smiling.jpg")))
    shutil.copy(others[0] / "neutral.jpg", "scene/1.jpg")
    (tmp_path / "scene" / "notes.txt").write_text("not a photograph")

    ask("--subject", "ada", "--samples", "scene", "--out", "grid", "--json")
    assert len(json.loads(capsys.readouterr().out)["inputs"]["subject"]) == 2
    names = {"0000_ada_0.png", "0001_ada_1.png", "0002_ada_1.png"}  # of 1.jpg and of 1.png
    assert {path.name for path in (tmp_path / "grid").iterdir()} == {"grid.png", *names}
    ask("--subject", "ada/neutral.jpg", "ada/smiling.jpg", "--sample", "scene/1.png", "--out", "one.png")
    assert np.abs(cv2.imread("one.png").astype(int) - cv2.imread("grid/0002_ada_1.png")).max() <= 1

    ask("--subject", "ada", "--sample", "scene", "--paste", "--out", "pasted")
    assert {path.name for path in (tmp_path / "pasted").iterdir()} == {"0.png", "1.png", "1.png.png"}
    ask("--subject", "ada", "--samples", "scene/1.png", "--paste", "--out", "whole.png")
    assert np.array_equal(cv2.imread("pasted/1.png.png"), cv2.imread("whole.png"))
    assert cv2.imread("whole.png").shape == cv2.imread("scene/1.png").shape
    with Image.open("pasted/0.png") as picture:
        assert "compositeWithTrainedAlgorithmicMedia" in picture.text["XML:com.adobe.xmp"]
    said = json.loads((tmp_path / "pasted.json").read_text())
    assert said["inputs"]["sample"] == ["scene/0.png", "scene/1.jpg", "scene/1.png"]
    assert said["settings"] == {"paste": True}


@pytest.mark.shared
@pytest.mark.slow
def test_a_grid_that_nobody_could_open_is_left_out_and_its_faces_are_made(tmp_path, shared, monkeypatch, caplog):
    save_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FACET_ASSETS", str(shared / "models"))
    monkeypatch.setattr(recombining, "MAX_PIXELS", 3 * 2 * 34 * 34 - 1)  # of two subjects and a sample
    (tmp_path / "people").mkdir()
    for number, file in enumerate(sorted((shared / "faces" / "london").glob("*/neutral.jpg"))[:2]):
        shutil.copy(file, f"people/{number}.jpg")
    asked = ("--subjects", "people", "--sample", "people/0.jpg", "--out")
    with pytest.raises(UserError, match=r"grid of 2 by 1 faces would have .* pixels .*name a folder"):
        ask(*asked, "grid.png")
    ask(*asked, "made")
    assert {path.name for path in (tmp_path / "made").iterdir()} == {"0_0.png", "1_0.png"}
    assert "made: the grid of 2 by 1 faces" in caplog.text
    ask("--subject", "people/1.jpg", "--sample", "people/0.jpg", "--out", "one.png")
    one, row = (cv2.imread(name) for name in ("one.png", "made/1_0.png"))
    assert np.abs(one.astype(int) - row).max() <= 1


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (("--subject", "a.jpg", "--sample", "scene", "--out", "g.jpg"), "let --out end in .png, or name a folder"),
        (("--subject", "a.jpg", "--sample", "scene", "--out", "g.png", "--paste"), "do not go into one; name a folder"),
        (("--subject", "a.jpg", "--sample", "scene", "--out", "-", "--paste"), "do not go into one; name a folder"),
        (("--subjects", "scene", "--sample", "scene", "--out", "g", "--paste"), "--paste takes one person"),
        (("--subjects", "scene", "--sample", "a.jpg", "--out", "g.png", "--paste"), "--paste takes one person"),
    ],
)
def test_a_grid_that_cannot_be_made_as_asked_is_one_sentence(tmp_path, monkeypatch, asked, words):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scene").mkdir()
    with pytest.raises(UserError, match=words):
        ask(*asked)
    assert [path.name for path in tmp_path.iterdir()] == ["scene"]
