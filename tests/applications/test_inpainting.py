"""A hole is filled by what G draws of a person, and nothing else changes."""

import json
import os
import subprocess
import sys

import cv2
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save as serialized

from pipeline import paths
from pipeline.applications.inpainting import Painter, filled
from pipeline.errors import UserError
from pipeline.methods import cvaegan_networks
from pipeline.training import weights
from pipeline.training.devices import device
from tests.applications.test_recombine import CUT, MODEL, refused, save_model
from tests.conftest import ROOT, unavailable

PEOPLE = ["photos/ada", "photos/ben", "photos/eve"]


def save_painter(top, **facts):
    model = MODEL.model_copy(update={"method": "cvaegan"})
    said = {"identities": 3, "cut": CUT, "source": "photos", "model": model.model_dump(), "people": PEOPLE}
    said |= facts
    weights.save(top / paths.MODEL, cvaegan_networks.networks(model, 32, 3), said)


@pytest.mark.parametrize("said", [{"cut": {}}, {"identities": 10**9}, {"model": {"width": "wide"}}])
def test_a_model_whose_header_says_something_else_is_one_sentence(tmp_path, said):
    save_painter(tmp_path, **said)
    with pytest.raises(weights.WeightsError, match="it is damaged"):
        Painter(tmp_path / paths.MODEL)


@pytest.mark.parametrize("said", ["5", "null", "[" * 200_000])
def test_a_header_that_names_nothing_is_one_sentence(tmp_path, said):
    save_painter(tmp_path)
    content = serialized({"x": torch.zeros(1)}, metadata={"facet": said})
    (tmp_path / paths.MODEL / weights.FILE).write_bytes(content)
    with pytest.raises(weights.WeightsError, match="does not say which networks"):
        Painter(tmp_path / paths.MODEL)


@pytest.mark.parametrize("people", [5, [1, 2, 3], PEOPLE[:2]])
def test_people_who_are_not_those_of_the_networks_are_one_sentence(tmp_path, people):
    save_painter(tmp_path, people=people)
    with pytest.raises(weights.WeightsError, match="does not name the people"):
        Painter(tmp_path / paths.MODEL)


@pytest.mark.gpu
def test_networks_and_faces_go_to_the_accelerator(tmp_path):
    if not torch.accelerator.is_available():
        unavailable("gpu", "torch sees no accelerator")
    save_painter(tmp_path)
    painter = Painter(tmp_path / paths.MODEL)
    assert next(painter.networks["generator"].parameters()).device == device()
    hole = np.eye(32, dtype=bool)
    assert painter.fill(np.zeros((32, 32, 3), np.uint8), hole, PEOPLE[0], 2).shape == (32, 32, 3)


class Encoder(torch.nn.Module):
    """Reads the mean brightness of a face."""

    def forward(self, x, c):
        return x.mean(dim=(1, 2, 3))[:, None], None


class Generator(torch.nn.Module):
    """Draws all faces evenly, a tenth brighter for each person's number."""

    def forward(self, z, c):
        return (z + 0.1 * c[:, None])[:, :, None, None].expand(-1, 3, 4, 4)


def test_reading_and_drawing_again_ends_where_both_agree():
    x = torch.full((1, 3, 4, 4), 0.5)
    hole = torch.zeros(1, 1, 4, 4, dtype=torch.bool)
    hole[..., :2, :] = True
    x[:, :, :2] = -1  # what covers the face is not read
    steps = list(filled(Encoder(), Generator(), x, hole, torch.tensor([1]), 60))
    assert steps[0][0, 0, 0, 0] == pytest.approx(0.6)
    # half of the face is b, half h: h = (h + b) / 2 + 0.1
    assert steps[-1][0, 0, 0, 0] == pytest.approx(0.7, abs=1e-4)
    assert all((step[:, :, 2:] == 0.5).all() for step in steps)


def test_outside_the_hole_the_photograph_stays(tmp_path):
    save_painter(tmp_path)
    painter = Painter(tmp_path / paths.MODEL)
    image = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    hole = np.zeros((32, 32), bool)
    hole[8:20, 4:28] = True
    ada, ben = (painter.fill(image, hole, person, 3) for person in PEOPLE[:2])
    assert np.array_equal(ada[~hole], image[~hole])
    assert not np.array_equal(ada[hole], image[hole])
    assert not np.array_equal(ada[hole], ben[hole])
    with pytest.raises(UserError, match=r"photos/zoe: this model does not know that person; it knows 3: photos/ada"):
        painter.fill(image, hole, "photos/zoe", 3)


def inpaint(top, shared, **given):
    options = {"photograph": "face.jpg", "mask": "mask.png", "person": "photos/ada", "out": "out.png"} | given
    env = {
        "PYTHONPATH": str(ROOT),
        "PATH": os.environ["PATH"],
        "HOME": str(top),
        "FACET_ASSETS": str(shared / "models"),
    }
    command = [sys.executable, "-m", "pipeline", "inpaint"]
    command += [word for name, value in options.items() for word in (f"--{name}", value)]
    return subprocess.run(command, cwd=top, env=env, capture_output=True, text=True, check=False)


@pytest.mark.shared
@pytest.mark.slow
def test_a_photograph_and_each_mistake(tmp_path, shared):
    photograph = cv2.imread(str(next((shared / "faces" / "london").glob("*/neutral.jpg"))))
    cv2.imwrite(str(tmp_path / "face.jpg"), photograph)
    mask = np.zeros_like(photograph)
    mask[180:260] = 255
    for name, picture in (("mask", mask), ("small", mask[::2, ::2]), ("black", mask * 0)):
        cv2.imwrite(str(tmp_path / f"{name}.png"), picture)
    save_model(tmp_path)
    refused(inpaint(tmp_path, shared), "no CVAE-GAN", "dvc exp run -S model.method=cvaegan")
    save_painter(tmp_path)
    done = inpaint(tmp_path, shared)
    assert done.returncode == 0, done.stderr
    with Image.open(tmp_path / "out.png") as made:
        assert made.size == (32, 32)
        assert "compositeWithTrainedAlgorithmicMedia" in made.text["XML:com.adobe.xmp"]
    said = json.loads((tmp_path / "out.png.json").read_text())
    assert said["settings"] == {"steps": 10}
    assert said["inputs"] == {"photograph": "face.jpg", "mask": "mask.png", "person": PEOPLE[0]}
    refused(inpaint(tmp_path, shared, mask="small.png"), "small.png", "256 x 256 pixels and the photograph 512 x 512")
    refused(inpaint(tmp_path, shared, mask="black.png"), "nothing of the face is white")
    refused(inpaint(tmp_path, shared, out="out.jpg"), "let --out end in .png")
