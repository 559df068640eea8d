"""What `export` writes: the same model, checked; and what it refuses to write."""

import hashlib
import json
import shutil
import subprocess
import sys

import numpy as np
import onnx
import pytest
import torch

from pipeline import paths
from pipeline.applications.export import graphs
from pipeline.applications.export.folder import LIMIT, check, export
from pipeline.applications.face_model import FaceModel
from pipeline.applications.onnx_synthesizer import OnnxSynthesizer
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.commands import export as command
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.photographs.alignment import TEMPLATE
from pipeline.errors import UserError
from pipeline.training import weights
from tests.applications.test_recombine import refused, save_model
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

FILES = {"README.md", "attributes.onnx", "generator.onnx", "identity.onnx", "model.json", "weights.safetensors"}


def images(count):
    return np.random.default_rng(1).integers(0, 256, (count, 32, 32, 3), dtype=np.uint8)


def test_the_folder_has_its_files_and_nothing_else_is_left(exported_once):
    top, made = exported_once
    assert {path.name for path in (top / "made" / "exported").iterdir()} == FILES
    assert [path.name for path in (top / "made").iterdir()] == ["exported"]
    assert made["largest_difference"].keys() == {"f_I", "z", "pixels"}
    assert 0 < max(made["largest_difference"].values()) < LIMIT


def test_both_synthesizers_load_it_and_say_the_same(exported, exported_once):
    original = FaceSynthesizer(exported_once[0] / paths.MODEL)
    by_torch, by_onnx = FaceSynthesizer(exported), OnnxSynthesizer(exported)
    assert original.fingerprint == by_torch.fingerprint == by_onnx.fingerprint == exported_once[1]["model"]
    assert (by_onnx.image_size, by_onnx.source) == (original.image_size, original.source)
    for count in (1, 2, 7, 70):  # 70 is more than one portion
        x = images(count)
        f_I, z = by_torch.identity(x), by_torch.attributes(x[::-1])
        assert np.array_equal(f_I, original.identity(x))
        np.testing.assert_allclose(by_onnx.identity(x), f_I, atol=1e-5)
        np.testing.assert_allclose(by_onnx.attributes(x[::-1]), z, atol=1e-5)
        np.testing.assert_allclose(by_onnx.person(x), by_torch.person(x), atol=1e-5)
        wanted = by_torch.synthesize(torch.from_numpy(f_I), torch.from_numpy(z.copy())).numpy()
        assert np.abs(by_onnx.raw(f_I, z) - wanted).max() < LIMIT
        levels = by_onnx.synthesize(f_I, z).astype(int) - by_torch.synthesize(f_I, z)
        assert np.abs(levels).max() <= 1
        assert np.mean(levels != 0) < 0.01
    floats = to_tensor(x).contiguous().numpy()
    np.testing.assert_allclose(by_onnx.identity(floats), f_I, atol=1e-5)
    assert by_onnx.raw(f_I[:0], z[:0]).shape == (0, 3, 32, 32)


def test_images_and_codes_of_another_shape_are_refused(exported):
    model = OnnxSynthesizer(exported)
    for wrong in (np.zeros((1, 16, 16, 3), np.uint8), np.zeros((1, 32, 32, 3), np.float32), np.zeros((32, 32, 3))):
        with pytest.raises(ValueError, match=r"images should be uint8 \[B, 32, 32, 3\] or float32"):
            model.identity(wrong)
    for f_I, z in ((np.zeros((1, 8)), np.zeros((2, 4))), (np.zeros((1, 8)), np.zeros((1, 8)))):
        with pytest.raises(ValueError, match=r"f_I and z should be \[B, 8\] and \[B, 4\]"):
            model.synthesize(f_I, z)
    for wrong in (np.zeros((9, 9), np.uint8), np.zeros((0, 9, 3), np.uint8), np.zeros((9, 9, 3))):
        with pytest.raises(ValueError, match=r"a photograph should be uint8 \[H, W, 3\]"):
            model.align(wrong, TEMPLATE)


def test_the_graphs_are_single_files_of_the_said_opset_without_notes(exported):
    said = json.loads((exported / "model.json").read_text())
    for name in FILES - {"README.md", "model.json", "weights.safetensors"}:
        content = (exported / name).read_bytes()
        graph = onnx.load_from_string(content)
        assert [(o.domain, o.version) for o in graph.opset_import] == [("", said["opset"])]
        assert not any(tensor.external_data for tensor in graph.graph.initializer)
        assert str(ROOT).encode() not in content
        assert b"pipeline" not in content
        assert hashlib.sha256(content).hexdigest() == said["files"][name]


def test_model_json_says_what_a_program_has_to_know(exported):
    said = json.loads((exported / "model.json").read_text())
    assert (said["image_size"], said["margin"], said["identity_dim"], said["attribute_dim"]) == (32, 0.0, 8, 4)
    assert np.array_equal(np.array(said["template"], np.float32), TEMPLATE)
    assert said["notice"] == f"synthetic, made by Facet, model {said['fingerprint']}"
    assert (said["pixels"]["low"], said["pixels"]["high"]) == (-1, 1)


def test_a_margin_is_in_the_template_and_alignment_follows_it(exported_once, exported, tmp_path):
    from pipeline.applications.export.description import Description
    from pipeline.datasets.photographs.alignment import align, framed

    said = Description.read(exported)
    template = tuple((float(str(x)), float(str(y))) for x, y in framed(TEMPLATE, 0.2))
    (exported / "model.json").write_text(said._replace(margin=0.2, template=template).text())
    photograph = np.random.default_rng(0).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    points = TEMPLATE * 60 + np.float32(15)
    expected, _ = align(photograph, points, 32, 0.2)
    assert np.array_equal(OnnxSynthesizer(exported).align(photograph, points), expected)


def test_a_graph_that_differs_is_not_accepted(exported, tmp_path):
    torch.manual_seed(1)
    save_model(tmp_path / "other")
    other = graphs.modules(FaceModel(tmp_path / "other" / paths.MODEL).networks)
    with pytest.raises(UserError, match=r"f_I differs by .* from the original, more than 0.001: not written"):
        check(OnnxSynthesizer(exported), other)


def test_weights_that_are_not_finite_are_not_exported(tmp_path, exported_once):
    folder = tmp_path / paths.MODEL
    shutil.copytree(exported_once[0] / paths.MODEL, folder)
    content = bytearray((folder / weights.FILE).read_bytes())
    content[-4:] = np.float32(np.nan).tobytes()  # the last tensor is I's
    (folder / weights.FILE).write_bytes(content)
    with pytest.raises(UserError, match="differs by nan"):
        check(OnnxSynthesizer(exported_once[0] / "made" / "exported"), graphs.modules(FaceModel(folder).networks))


def test_a_network_that_no_file_holds_is_refused_before_it_is_made():
    with torch.device("meta"):
        large = torch.nn.Linear(2**15, 2**15)
    with pytest.raises(UserError, match=r"generator.onnx: would have 4.0 GiB"):
        graphs.graph("generator.onnx", large, (torch.empty(2, 8, device="meta"), torch.empty(2, 4, device="meta")))


def test_a_place_that_is_taken_is_left_alone(exported):
    (exported / "model.json").write_text("mine")
    with pytest.raises(UserError, match="is there already; name another folder with --out"):
        export(exported, exported)
    assert (exported / "model.json").read_text() == "mine"


def test_a_model_that_is_not_there_is_said_and_nothing_is_written(tmp_path):
    with pytest.raises(UserError, match=r"gone/weights.safetensors is not there; name a folder that `train`"):
        export(tmp_path / "out", tmp_path / "gone")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["onnx", "onnxruntime", "onnxscript"])
def test_without_a_package_it_says_which_to_install(name, monkeypatch):
    monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UserError, match=f"{name} is not installed; `pip install onnx onnxruntime onnxscript`"):
        command.run(None)


def test_the_command_says_in_one_sentence_what_is_missing(tmp_path):
    env = {"PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "export", "--out", "exported"],
        cwd=tmp_path, env=env, capture_output=True, text=True, check=False,
    )  # fmt: skip
    refused(done, "models/train", "dvc repro train")
    assert len(done.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())
