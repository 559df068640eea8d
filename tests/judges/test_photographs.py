"""With tiny networks whose answer is known, and with the real ones on real photographs."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import onnx
import openvino
import pytest
from openvino import opset13 as op

from pipeline.datasets.photographs.alignment import TEMPLATE, align, pixels, warp
from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import yunet
from pipeline.errors import UserError
from pipeline.judges.photographs import TEMPLATES, expression, onnx_recogniser, photo_judge, recogniser
from pipeline.judges.verdict import Judge
from tests.conftest import ROOT


class Square(NamedTuple):
    box: np.ndarray
    landmarks: np.ndarray


def find_square(image: np.ndarray) -> list[Square]:
    """The face of these tests is red on black; its landmarks are where the template puts them."""
    y, x = np.nonzero(image[..., 0] > 100)
    if not len(x):
        return []
    box = np.array([x.min(), y.min(), np.ptp(x) + 1, np.ptp(y) + 1], dtype=np.float32)
    return [Square(box, pixels(TEMPLATE, image.shape[0]))]


def channel_mean(image: openvino.Node, channel: int, name: str) -> openvino.Node:
    value = op.reduce_mean(op.gather(image, [channel], 1), [1, 2, 3], keep_dims=False)
    result = op.reshape(value, [1, 1], special_zero=False)
    result.output(0).get_tensor().set_names({name})
    return result


@pytest.fixture
def weights(tmp_path: Path) -> tuple[Path, Path]:
    """Features are the red channel on a grid of 16 by 16; yaw is the mean blue, pitch green, roll red."""
    image = op.parameter([1, 3, 128, 128], np.float32, name="image")
    grid = op.avg_pool(op.gather(image, [2], 1), [8, 8], [0, 0], [0, 0], [8, 8], True)
    features = op.reshape(grid, [1, 256, 1, 1], special_zero=False)
    openvino.save_model(openvino.Model([features], [image]), tmp_path / "recogniser.xml", compress_to_fp16=False)
    image = op.parameter([1, 3, 60, 60], np.float32, name="image")
    angles = [channel_mean(image, i, f"angle_{axis}_fc") for i, axis in enumerate("ypr")]
    openvino.save_model(openvino.Model(angles, [image]), tmp_path / "pose.xml", compress_to_fp16=False)
    return tmp_path / "recogniser.xml", tmp_path / "pose.xml"


def face(colour: tuple[int, int, int], image_size: int = 64) -> np.ndarray:
    image = np.zeros((image_size, image_size, 3), dtype=np.uint8)
    image[image_size // 4 : image_size * 3 // 4, image_size // 4 : image_size * 3 // 4] = colour
    return image


def judge_by(weights: tuple[Path, Path]) -> Judge:
    return photo_judge(find_square, recogniser(weights[0], warp, threads=2), weights[1])


def test_each_network_reads_its_own_crop_in_blue_green_red(weights: tuple[Path, Path]) -> None:
    judge = judge_by(weights)
    crop = face((240, 120, 60))
    verdict = judge(crop[None])
    assert verdict.found.tolist() == [True]
    inside = 1 / 1.2**2  # share of the square around the face that is face
    assert verdict.attributes["yaw"][0] == pytest.approx(60 * inside, rel=0.03)
    assert verdict.attributes["pitch"][0] == pytest.approx(120 * inside, rel=0.03)
    assert verdict.attributes["roll"][0] == pytest.approx(240 * inside, rel=0.03)
    expected, _ = warp(crop, pixels(TEMPLATE, 64), TEMPLATES["reidentification"], 128)
    grid = expected[..., 0].reshape(16, 8, 16, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(verdict.features[0], grid.ravel(), atol=0.01)


def test_an_image_without_a_face_is_reported_and_keeps_its_row(weights: tuple[Path, Path]) -> None:
    judge = judge_by(weights)
    verdict = judge(np.stack([face((0, 0, 0)), face((200, 0, 0)), face((0, 0, 0))]))
    assert verdict.found.tolist() == [False, True, False]
    assert verdict.features.shape == (3, 256)
    assert verdict.features.dtype == np.float32
    assert not verdict.features[[0, 2]].any()
    assert set(verdict.attributes) == {"yaw", "pitch", "roll", "five_points_mouth_width", "five_points_mouth_drop"}
    for values in verdict.attributes.values():
        assert values.dtype == np.float32
        assert np.isnan(values).tolist() == [True, False, True]


def test_a_face_in_the_corner_is_not_what_the_crop_shows(weights: tuple[Path, Path]) -> None:
    image = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    image[0, :20, :20] = 200
    assert not judge_by(weights)(image).found.any()


def test_no_images_give_no_rows(weights: tuple[Path, Path]) -> None:
    verdict = judge_by(weights)(np.zeros((0, 64, 64, 3), dtype=np.uint8))
    assert verdict.features.shape == (0, 256)
    assert verdict.found.shape == verdict.attributes["yaw"].shape == (0,)


def test_a_signal_after_two_judges_have_gone_ends_nothing(weights: tuple[Path, Path]) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from pipeline.judges import photographs as p;"
        "signal.signal(signal.SIGUSR1, lambda *_: print('heard'));"
        "recogniser, pose = map(Path, sys.argv[1:]);"
        "[p.photo_judge(None, p.recogniser(recogniser, None), pose) for _ in range(2)];"
        "os.kill(os.getpid(), signal.SIGUSR1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, weights)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


def onnx_network(path: Path, normalises: bool, shape: tuple[int | str, ...] = ("N", 3, 112, 112)) -> Path:
    """An ONNX file as insightface makes them, whose features are the colours on a grid of 4 by 4."""
    nodes = [onnx.helper.make_node("AveragePool", ["y"], ["grid"], kernel_shape=[28, 28], strides=[28, 28])]
    if normalises:
        nodes.insert(0, onnx.helper.make_node("Sub", ["x", "middle"], ["centred"]))
        nodes.insert(1, onnx.helper.make_node("Mul", ["centred", "share"], ["y"]))
    else:
        nodes.insert(0, onnx.helper.make_node("Identity", ["x"], ["y"]))
    nodes.append(onnx.helper.make_node("Flatten", ["grid"], ["features"]))
    constants = [onnx.numpy_helper.from_array(np.float32(v), n) for n, v in (("middle", 127.5), ("share", 1 / 127.5))]
    taken = onnx.helper.make_tensor_value_info("x", onnx.TensorProto.FLOAT, shape)
    given = onnx.helper.make_tensor_value_info("features", onnx.TensorProto.FLOAT, None)
    graph = onnx.helper.make_graph(nodes, "recogniser", [taken], [given], constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.mark.parametrize("normalises", [False, True])
@pytest.mark.parametrize("template", ["arcface", "reidentification"])
def test_an_arcface_style_network_sees_red_green_blue_between_minus_one_and_one(
    tmp_path: Path, template: str, normalises: bool
) -> None:
    recognise = onnx_recogniser(onnx_network(tmp_path / "r.onnx", normalises), template, warp)
    assert (recognise.side, recognise.dim) == (112, 48)
    crop = face((240, 120, 60))
    landmarks = pixels(TEMPLATE, 64)
    aligned, _ = warp(crop, landmarks, TEMPLATES[template], 112)
    grid = aligned.reshape(4, 28, 4, 28, 3).mean(axis=(1, 3)) / 127.5 - 1
    np.testing.assert_allclose(recognise(crop, landmarks), grid.transpose(2, 0, 1).ravel(), atol=1e-4)


def test_a_network_without_a_size_of_its_own_is_given_112_pixels(tmp_path: Path) -> None:
    file = onnx_network(tmp_path / "r.onnx", normalises=False, shape=("N", 3, "H", "W"))
    assert onnx_recogniser(file, "arcface", warp).side == 112


def test_arcface_wants_its_points_where_insightface_puts_them() -> None:
    """Its left eye lies at (38.2946, 51.6963) of 112 pixels, where the first pixel's centre is 0."""
    np.testing.assert_allclose(pixels(TEMPLATES["arcface"], 112)[0], (38.2946, 51.6963), atol=1e-4)


@pytest.mark.parametrize("damage", ["missing", "text", "grey", "oblong"])
def test_a_recogniser_that_is_none_is_named(damage: str, tmp_path: Path) -> None:
    file = tmp_path / "mine.onnx"
    if damage == "text":
        file.write_bytes(b"hi")
    elif damage != "missing":
        shape = ("N", 1, 112, 112) if damage == "grey" else ("N", 3, 112, 56)
        onnx_network(file, normalises=False, shape=shape)
    with pytest.raises(UserError, match=r"mine\.onnx.*name an ONNX file of a face recogniser"):
        onnx_recogniser(file, "arcface", warp)


def test_a_wide_mouth_near_the_nose_is_what_a_smile_is() -> None:
    plain = np.array([(20, 30), (40, 30), (30, 40), (23, 50), (37, 50)], np.float32)
    smile = np.array([(20, 30), (40, 30), (30, 40), (20, 48), (40, 48)], np.float32)
    assert expression(plain) == {"five_points_mouth_width": 0.7, "five_points_mouth_drop": 0.5}
    assert expression(smile) == {"five_points_mouth_width": 1.0, "five_points_mouth_drop": 0.4}
    turned = np.array([(-y, x) for x, y in smile], np.float32) * 3 + 100
    assert expression(turned) == pytest.approx(expression(smile))
    in_one_place = np.zeros((5, 2), np.float32)
    assert all(np.isfinite(value) for value in expression(in_one_place).values())


@pytest.mark.shared
@pytest.mark.slow
def test_most_people_who_smile_have_the_corners_of_the_mouth_nearer_to_the_nose(shared: Path) -> None:
    crops = london(shared, 40, 256)
    drop = real_judge(shared)(crops.reshape(-1, *crops.shape[2:])).attributes["five_points_mouth_drop"]
    assert (drop[1::2] < drop[0::2]).mean() > 0.7


@pytest.mark.parametrize("damage", ["missing", "truncated", "text"])
@pytest.mark.parametrize("suffix", [".xml", ".bin"])
def test_damaged_weights_are_named(damage: str, suffix: str, weights: tuple[Path, Path]) -> None:
    path = weights[1].with_suffix(suffix)
    if damage == "missing":
        path.unlink()
    elif damage == "truncated":
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    else:
        path.write_bytes(b"hi")
    with pytest.raises(UserError, match=r"pose\..*python -m pipeline fetch head_pose"):
        judge_by(weights)


def real_judge(shared: Path) -> Judge:
    detect = yunet(shared / "models/face_detection_yunet_2023mar.onnx", 0.6)
    names = ("face-reidentification-retail-0095", "head-pose-estimation-adas-0001")
    known, pose = (shared / f"models/{name}.xml" for name in names)
    return photo_judge(detect, recogniser(known, warp, threads=2), pose)


def london(shared: Path, people: int, image_size: int) -> np.ndarray:
    """Neutral and smiling crops [P, 2, S, S, 3]."""
    detect = yunet(shared / "models/face_detection_yunet_2023mar.onnx", 0.6)
    folders = sorted(path for path in (shared / "faces/london").iterdir() if path.is_dir())[:people]
    crops = []
    for folder in folders:
        for name in ("neutral.jpg", "smiling.jpg"):
            image = decode(read(folder / name))
            crops.append(align(image, detect(image)[0].landmarks, image_size, 0.0)[0])
    return np.stack(crops).reshape(-1, 2, image_size, image_size, 3)


@pytest.mark.shared
@pytest.mark.slow
@pytest.mark.parametrize(("image_size", "genuine_least"), [(64, 0.82), (128, 0.88), (256, 0.88)])
def test_people_are_told_apart_as_published(image_size: int, genuine_least: float, shared: Path) -> None:
    crops = london(shared, 20, image_size)
    verdict = real_judge(shared)(crops.reshape(-1, *crops.shape[2:]))
    assert verdict.found.all()
    features = verdict.features / np.linalg.norm(verdict.features, axis=1, keepdims=True)
    cosine = features[0::2] @ features[1::2].T
    same = np.eye(20, dtype=bool)
    assert cosine[same].mean() > genuine_least
    assert abs(cosine[~same].mean()) < 0.1
    assert cosine[~same].max() < cosine[same].min()
    assert (cosine.argmax(axis=1) == np.arange(20)).all()
    # Everybody of this set was asked to face the camera.
    for angle in ("yaw", "roll"):
        assert np.abs(verdict.attributes[angle]).mean() < 4


@pytest.mark.shared
@pytest.mark.slow
def test_features_agree_with_the_reference(shared: Path) -> None:
    """Against features of the same photographs that another implementation of the same steps computed."""
    crops = london(shared, 20, 256)
    ours = real_judge(shared)(crops.reshape(-1, *crops.shape[2:])).features
    theirs = np.load(shared / "reference/face_features.npz")
    for i, name in enumerate(("london_neutral", "london_smiling")):
        a, b = ours[i::2], theirs[name][:20]
        cosine = (a * b).sum(axis=1) / np.linalg.norm(a, axis=1) / np.linalg.norm(b, axis=1)
        assert cosine.min() > 0.9
        assert cosine.mean() > 0.97


@pytest.mark.shared
def test_a_mirrored_face_looks_the_other_way(shared: Path) -> None:
    detect = yunet(shared / "models/face_detection_yunet_2023mar.onnx", 0.6)
    crops = []
    for i in range(1, 11):
        image = decode(read(sorted((shared / "faces/orl").glob("*/*.png"))[10 * i]))
        crops.append(align(image, detect(image)[0].landmarks, 64, 0.0)[0])
    images = np.stack(crops)
    judge = real_judge(shared)
    seen, mirrored = judge(images).attributes, judge(np.ascontiguousarray(images[:, :, ::-1])).attributes
    assert np.abs(seen["yaw"] + mirrored["yaw"]).mean() < 4
    assert np.abs(seen["pitch"] - mirrored["pitch"]).mean() < 6


@pytest.mark.shared
def test_an_image_is_judged_alike_alone_and_in_company(shared: Path) -> None:
    crops = london(shared, 2, 64).reshape(-1, 64, 64, 3)
    judge = real_judge(shared)
    together, again = judge(crops), judge(crops[::-1])
    np.testing.assert_array_equal(together.features, again.features[::-1])
    for i in range(len(crops)):
        np.testing.assert_array_equal(judge(crops[i : i + 1]).features[0], together.features[i])


@pytest.mark.shared
def test_noise_is_no_face(shared: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    assert not real_judge(shared)(noise).found.any()
