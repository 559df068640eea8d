"""A folder from a stranger: damaged, of another version, or made to do harm. Each is refused in one sentence."""

import hashlib
import json
import os
import pickle
import struct

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.applications.export import description, sessions
from pipeline.applications.export.description import ModelError
from pipeline.applications.onnx_synthesizer import OnnxSynthesizer
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.errors import UserError
from pipeline.training import weights

pytestmark = pytest.mark.slow


class Bomb:
    def __init__(self, victim):
        self.victim = victim

    def __reduce__(self):
        return os.mkdir, (str(self.victim),)


def refused(folder, words):
    with pytest.raises(ModelError, match=words) as caught:
        OnnxSynthesizer(folder)
    assert "\n" not in str(caught.value)
    assert "python -m pipeline export" in str(caught.value)
    assert len(str(caught.value)) < 600


def say(folder, **changed):
    said = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(said | changed))


def put(folder, name, content):
    """A file of the folder, as one who can compute a sha256 would replace it."""
    (folder / name).unlink()
    (folder / name).write_bytes(content)
    files = json.loads((folder / "model.json").read_text())["files"]
    say(folder, files=files | {name: hashlib.sha256(content).hexdigest()})


@pytest.mark.parametrize("name", ["model.json", "identity.onnx", "attributes.onnx", "generator.onnx"])
def test_a_file_that_is_missing_or_damaged(exported, name):
    content = (exported / name).read_bytes()
    (exported / name).write_bytes(content[: len(content) // 2])
    refused(exported, f"{name}: is (damaged|no JSON)")
    (exported / name).write_bytes(b"")
    refused(exported, f"{name}: is (damaged|no JSON)")
    (exported / name).unlink()
    refused(exported, f"{name} is not there")


def test_one_bit_of_a_weight(exported):
    content = bytearray((exported / "generator.onnx").read_bytes())
    content[len(content) // 2] ^= 1
    (exported / "generator.onnx").write_bytes(content)
    refused(exported, "generator.onnx: is damaged, or of another model than model.json")


@pytest.mark.parametrize("found", [2, None, "1", [1], True, "x" * 10_000])
def test_another_version(exported, found):
    say(exported, format=found)
    refused(exported, "model.json: is of another version of Facet")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("image_size", 10**9),
        ("image_size", -64),
        ("image_size", "64"),
        ("image_size", True),
        ("image_size", 32.0),
        ("image_size", 10**400),
        ("identity_dim", 10**12),
        ("attribute_dim", None),
        ("margin", "0"),
        ("margin", 1e300),
        ("template", [[0.5, 0.5]] * 4),
        ("template", [[0.5, 0.5]] * 5),
        ("template", [[0.1, 10**400]] * 5),
        ("template", "abcde"),
        ("fingerprint", "../../../etc/pas"),
        ("fingerprint", 7),
        ("notice", "a\nb"),
        ("notice", "x" * 1000),
        ("source", {}),
        ("choose", ["largest"]),
        ("opset", 10**6),
        ("files", {}),
        ("files", {"../../etc/passwd": "0" * 64}),
        ("files", {"identity.onnx": 1, "attributes.onnx": 2, "generator.onnx": 3}),
    ],
)
def test_numbers_and_words_that_cannot_be(exported, name, value):
    say(exported, **{name: value})
    refused(exported, f"model.json: {name} should be")


@pytest.mark.parametrize("content", [b"[1]", b"null", b'{"format": 1}', b"[" * 60_000, b"\xff\xfe", b'{"format": NaN}'])
def test_json_that_is_something_else(exported, content):
    (exported / "model.json").write_bytes(content)
    refused(exported, "model.json: ")


def test_more_than_memory_should_hold(exported):
    (exported / "model.json").write_bytes(b" " * (description.LARGEST + 1))
    refused(exported, f"model.json: has more than {description.LARGEST} bytes")


def test_a_graph_that_is_too_large_is_not_read(exported):
    with (exported / "generator.onnx").open("r+b") as file:
        file.truncate(sessions.LARGEST + 1)  # takes no room on the disk
    refused(exported, "generator.onnx: has more than 2147483647 bytes")


def test_links_that_leave_the_folder_and_files_that_never_end(exported, tmp_path):
    outside = tmp_path / "outside.onnx"
    outside.write_bytes((exported / "identity.onnx").read_bytes())
    (exported / "identity.onnx").unlink()
    (exported / "identity.onnx").symlink_to(outside)
    refused(exported, "identity.onnx: is a link that leaves its folder")
    (exported / "identity.onnx").unlink()
    (exported / "identity.onnx").symlink_to("identity.onnx")
    refused(exported, "identity.onnx: ")
    (exported / "identity.onnx").unlink()
    os.mkfifo(exported / "identity.onnx")
    refused(exported, "identity.onnx: .* no plain file")


def test_a_pickle_is_never_loaded(exported, tmp_path):
    bomb = pickle.dumps(Bomb(tmp_path / "exploded"))
    for name in ("weights.pt", "model.pkl", "identity.pt"):
        (exported / name).write_bytes(bomb)
    OnnxSynthesizer(exported)
    FaceSynthesizer(exported)
    put(exported, "generator.onnx", bomb)
    refused(exported, "generator.onnx: onnxruntime does not take it")
    (exported / weights.FILE).write_bytes(bomb)
    with pytest.raises(UserError, match="is damaged"):
        FaceSynthesizer(exported)
    (exported / weights.FILE).unlink()
    with pytest.raises(UserError, match="is not there"):
        FaceSynthesizer(exported)
    assert not (tmp_path / "exploded").exists()


@pytest.mark.parametrize("location", ["../../../../../etc/passwd", "beside.bin", "*/_ORT_MEM_ADDR_/*"])
@pytest.mark.parametrize("place", ["initializer", "constant"])
def test_data_in_other_files(exported, location, place):
    """Refused wherever the graph has them, also where the file would be in the folder."""
    (exported / "beside.bin").write_bytes(bytes(4096))
    graph = onnx.load(exported / "identity.onnx")
    tensor = TensorProto(name="elsewhere", data_type=TensorProto.FLOAT, dims=[8], data_location=TensorProto.EXTERNAL)
    tensor.external_data.add(key="location", value=location)
    tensor.external_data.add(key="length", value="32")
    if place == "initializer":
        graph.graph.initializer.append(tensor)
    else:
        graph.graph.node.insert(0, helper.make_node("Constant", [], ["elsewhere"], value=tensor))
    put(exported, "identity.onnx", graph.SerializeToString())
    refused(exported, "identity.onnx: refers to data in other files, which is refused")


def swapped(input_shape, output_shape, element=TensorProto.FLOAT, name="f_I"):
    """A graph of other tensors: the mean of the image, spread out."""
    nodes = [
        helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["y"], ["m"], keepdims=0),
        helper.make_node("Expand", ["m", "shape"], [name]),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [2], [3, 5])
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("x", element, input_shape)],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, output_shape)],
        [shape],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    return model.SerializeToString()


@pytest.mark.parametrize(
    "graph",
    [
        swapped(["batch", 3, 64, 64], ["batch", 8]),
        swapped(["batch", 3, 32, 32], ["batch", 1024]),
        swapped([1, 3, 32, 32], ["batch", 8]),
        swapped(["batch", 3, 32, 32], ["batch", 8], element=TensorProto.DOUBLE),
        swapped(["batch", 3, 32, 32], ["batch", 8], name="secret"),
        swapped(None, None),
    ],
)
def test_a_graph_of_other_tensors(exported, graph):
    put(exported, "identity.onnx", graph)
    refused(exported, "identity.onnx: its tensors are not those of model.json|does not take it")


def test_a_graph_that_does_not_keep_its_word(exported):
    put(exported, "identity.onnx", swapped(["batch", 3, 32, 32], ["batch", "numbers"]))
    refused(exported, "its tensors are not those of model.json")


def header(folder, **changed):
    """The safetensors file with other facts in its header and the same tensors."""
    content = (folder / weights.FILE).read_bytes()
    length = struct.unpack("<Q", content[:8])[0]
    told = json.loads(content[8 : 8 + length])
    facts = json.loads(told["__metadata__"]["facet"])
    told["__metadata__"]["facet"] = json.dumps(facts | changed)
    text = json.dumps(told).encode()
    (folder / weights.FILE).write_bytes(struct.pack("<Q", len(text)) + text + content[8 + length :])
    return facts


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"identities": 10**9}, "identity.head.weight is not what its header says"),
        ({"identities": 10**30}, "does not say which networks"),
        ({"identities": "many"}, "does not say which networks"),
        ({"identities": -1}, "does not say which networks"),
        ({"cut": {"image_size": 10**9, "margin": 0.0, "choose": "largest"}}, "does not say which networks"),
        ({"cut": {"image_size": 1024, "margin": 0.0, "choose": "largest"}}, "is not what its header says"),
        ({"cut": 3}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": "a", "choose": "largest"}}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": 1e30, "choose": "largest"}}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": -1.0, "choose": "largest"}}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": float("nan"), "choose": "largest"}}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": 0.0, "choose": "zz"}}, "does not say which networks"),
        ({"cut": {"image_size": 32, "margin": 0.0, "choose": "largest", "more": 1}}, "does not say which networks"),
        ({"source": [1]}, "does not say which networks"),
        ({"model": None}, "does not say which networks"),
        ({"model": {"method": "ipgan"}}, "does not say which networks"),
    ],
)
def test_a_header_cannot_ask_for_large_networks_or_for_what_is_no_number_or_word(exported, changed, words):
    header(exported, **changed)
    with pytest.raises(UserError, match=words) as caught:
        FaceSynthesizer(exported)
    assert "\n" not in str(caught.value)


def test_the_widest_network_is_refused_before_it_is_made(exported):
    model = header(exported)["model"] | {"width": 512, "identity_dim": 4096}
    header(exported, model=model)
    with pytest.raises(UserError, match="is not what its header says"):
        FaceSynthesizer(exported)


@pytest.mark.parametrize("content", [b"", b"no safetensors", b"\xff" * 64])
def test_damaged_weights_of_a_stranger_are_not_for_dvc_to_restore(exported, content):
    (exported / weights.FILE).write_bytes(content)
    with pytest.raises(UserError, match=r"is damaged, or no model of Facet; fetch it again") as caught:
        FaceSynthesizer(exported)
    assert "dvc" not in str(caught.value)


def test_a_header_without_end(exported):
    content = b'{"__metadata__": {"facet": ' + json.dumps("[" * 200_000).encode() + b"}}"
    (exported / weights.FILE).write_bytes(struct.pack("<Q", len(content)) + content)
    with pytest.raises(UserError, match=r"does not say which networks|is damaged"):
        FaceSynthesizer(exported)


def test_what_is_refused_still_loads_when_it_is_whole(exported):
    header(exported)
    say(exported)
    OnnxSynthesizer(exported)
    assert np.isfinite(FaceSynthesizer(exported).identity(np.zeros((1, 32, 32, 3), np.uint8))).all()
