"""The model for other programs: what is numpy stays numpy, what is torch stays torch, and both say the same."""

import subprocess
import sys

import numpy as np
import pytest
import torch

from pipeline import paths
from pipeline.applications.face_model import FaceModel
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.pairs import to_tensor
from pipeline.training.weights import WeightsError
from tests.applications.test_inpainting import save_painter
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT


@pytest.fixture
def model(tmp_path):
    save_model(tmp_path)
    return FaceSynthesizer(tmp_path / paths.MODEL)


@pytest.fixture
def images():
    return np.random.default_rng(0).integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)


def test_it_makes_what_the_stages_make(model, images, tmp_path):
    expected = FaceModel(tmp_path / paths.MODEL).recombine(images, images[::-1])
    assert np.array_equal(model.synthesize(model.identity(images), model.attributes(images[::-1])), expected)


def test_torch_goes_in_and_comes_out(model, images):
    x = to_tensor(images)
    f_I, z = model.identity(x), model.attributes(x)
    assert torch.equal(f_I, torch.from_numpy(model.identity(images)))
    made = model.synthesize(f_I, z)
    assert made.shape == (3, 3, 32, 32)
    assert made.abs().max() <= 1


def test_a_person_by_one_photograph_is_that_photograph(model, images):
    np.testing.assert_allclose(model.person(images[:1]), model.identity(images[:1]), rtol=1e-6)
    several = model.person(images)
    lengths = np.linalg.norm(model.identity(images), axis=1)
    assert np.linalg.norm(several) == pytest.approx(lengths.mean(), rel=1e-5)


def test_it_needs_neither_dvc_nor_wandb_nor_params_nor_what_trains(tmp_path):
    save_model(tmp_path)
    absent = ("dvc", "wandb", "pytorch_lightning", "albumentations", "gradio", "onnxruntime", "av")
    program = f"""
import sys
sys.modules.update(dict.fromkeys({absent}))  # as if they were not installed
import numpy as np
from pipeline.applications.synthesizer import FaceSynthesizer
model = FaceSynthesizer({str(tmp_path / paths.MODEL)!r})
faces = np.zeros((2, 32, 32, 3), np.uint8)
print(model.synthesize(model.identity(faces), model.attributes(faces)).shape)
"""
    (tmp_path / "empty").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path / "empty", env={"PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (0, "(2, 32, 32, 3)\n"), done.stderr
    assert not list((tmp_path / "empty").iterdir())


def test_a_cvae_gan_is_named_and_not_called_damaged(tmp_path):
    save_painter(tmp_path)
    with pytest.raises(WeightsError, match=r"is a CVAE-GAN.*inpaint.*`dvc exp run -S model.method=ipgan`") as caught:
        FaceSynthesizer(tmp_path / paths.MODEL)
    assert "damaged" not in str(caught.value)


def test_another_model_has_another_fingerprint(model, tmp_path):
    torch.manual_seed(1)
    save_model(tmp_path / "other")
    other = FaceSynthesizer(tmp_path / "other" / paths.MODEL)
    assert len(model.fingerprint) == 16
    assert other.fingerprint != model.fingerprint


@pytest.mark.parametrize(
    "wrong", [np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32), torch.zeros(1, 32, 32, 3)]
)
def test_images_of_another_shape_are_refused(model, wrong):
    with pytest.raises(ValueError, match=r"images should be numpy uint8 \[B, 32, 32, 3\] or torch float"):
        model.identity(wrong)


def test_codes_that_do_not_belong_together_are_refused(model, images):
    with pytest.raises(ValueError, match="f_I and z should be"):
        model.synthesize(model.identity(images), model.attributes(images[:2]))
