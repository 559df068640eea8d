"""A trained model as one function: who is asked for the person, who for the attributes, and in what order."""

import numpy as np
import pytest
import torch

from pipeline.applications.face_model import FaceModel
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.methods import ipgan_networks
from pipeline.params import Model
from pipeline.training import weights
from pipeline.training.spread import CHUNK
from pipeline.training.weights import WeightsError

CUT = {"image_size": 32, "margin": 0.0, "choose": "largest"}
MODEL = Model(
    method="ipgan", identity_dim=8, attribute_dim=4, width=4, style_dim=8,
    injection="modulation", normalized_features=True,
)  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    facts = {"identities": 3, "cut": CUT, "source": "rendered", "model": MODEL.model_dump()}
    weights.save(tmp_path / "model", ipgan_networks.networks(MODEL, 32, 3), facts)
    return tmp_path / "model"


def images(number, seed):
    return np.random.default_rng(seed).integers(256, size=(number, 32, 32, 3), dtype=np.uint8)


def test_the_person_comes_from_the_subject_and_z_from_the_samples_mean(folder):
    model, subjects, samples = FaceModel(folder), images(2, 0), images(2, 1)
    with torch.inference_mode():
        f_I, _ = model.networks["identity"](to_tensor(subjects).to(model.device))
        mu, _ = model.networks["attributes"](to_tensor(samples).to(model.device))
        expected = to_images(model.networks["generator"](f_I, mu))
    assert np.array_equal(model.recombine(subjects, samples), expected)
    assert not np.array_equal(model.recombine(samples, subjects), expected)


def test_more_than_a_batch_keeps_its_order(folder):
    model = FaceModel(folder)
    subjects, samples = images(CHUNK + 3, 0), images(CHUNK + 3, 1)
    made = model.recombine(subjects, samples)
    assert len(made) == CHUNK + 3
    last = model.recombine(subjects[-1:], samples[-1:])[0]
    assert np.abs(made[-1].astype(int) - last).max() <= 1  # another batch size may round another way


def test_the_grid_frames_every_subject_with_every_sample(folder):
    model, subjects, samples = FaceModel(folder), images(2, 0), images(3, 1)
    rows = model.grid(subjects, samples)
    assert [len(row) for row in rows] == [4, 4, 4]
    assert (rows[0][0] == 255).all()
    assert all(np.array_equal(a, b) for a, b in zip(rows[0][1:], samples, strict=True))
    assert all(np.array_equal(row[0], s) for row, s in zip(rows[1:], subjects, strict=True))
    alone = model.recombine(subjects[1:], samples[2:])[0]
    assert np.abs(rows[2][3].astype(int) - alone).max() <= 1


def test_a_model_of_another_shape_than_params_is_refused(folder):
    with pytest.raises(WeightsError, match="dvc repro train"):
        FaceModel(folder, MODEL.model_copy(update={"width": 8}))
