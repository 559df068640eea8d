"""With tiny networks whose answer is known, and with the real ones on real photographs."""

import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import openvino
import pytest
from openvino import opset13 as op

from pipeline.datasets.photographs.alignment import TEMPLATE, align, pixels, warp
from pipeline.datasets.photographs.decoding import decode, read
from pipeline.datasets.photographs.detection import yunet
from pipeline.errors import UserError
from pipeline.judges.photographs import RECOGNISER_TEMPLATE, photo_judge
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


def test_each_network_reads_its_own_crop_in_blue_green_red(weights: tuple[Path, Path]) -> None:
    judge = photo_judge(find_square, warp, *weights)
    crop = face((240, 120, 60))
    verdict = judge(crop[None])
    assert verdict.found.tolist() == [True]
    inside = 1 / 1.2**2  # share of the square around the face that is face
    assert verdict.attributes["yaw"][0] == pytest.approx(60 * inside, rel=0.03)
    assert verdict.attributes["pitch"][0] == pytest.approx(120 * inside, rel=0.03)
    assert verdict.attributes["roll"][0] == pytest.approx(240 * inside, rel=0.03)
    expected, _ = warp(crop, pixels(TEMPLATE, 64), RECOGNISER_TEMPLATE, 128)
    grid = expected[..., 0].reshape(16, 8, 16, 8).mean(axis=(1, 3))
    np.testing.assert_allclose(verdict.features[0], grid.ravel(), atol=0.01)


def test_an_image_without_a_face_is_reported_and_keeps_its_row(weights: tuple[Path, Path]) -> None:
    judge = photo_judge(find_square, warp, *weights)
    verdict = judge(np.stack([face((0, 0, 0)), face((200, 0, 0)), face((0, 0, 0))]))
    assert verdict.found.tolist() == [False, True, False]
    assert verdict.features.shape == (3, 256)
    assert verdict.features.dtype == np.float32
    assert not verdict.features[[0, 2]].any()
    assert set(verdict.attributes) == {"yaw", "pitch", "roll"}
    for values in verdict.attributes.values():
        assert values.dtype == np.float32
        assert np.isnan(values).tolist() == [True, False, True]


def test_a_face_in_the_corner_is_not_what_the_crop_shows(weights: tuple[Path, Path]) -> None:
    image = np.zeros((1, 64, 64, 3), dtype=np.uint8)
    image[0, :20, :20] = 200
    assert not photo_judge(find_square, warp, *weights)(image).found.any()


def test_no_images_give_no_rows(weights: tuple[Path, Path]) -> None:
    verdict = photo_judge(find_square, warp, *weights)(np.zeros((0, 64, 64, 3), dtype=np.uint8))
    assert verdict.features.shape == (0, 256)
    assert verdict.found.shape == verdict.attributes["yaw"].shape == (0,)


def test_a_signal_after_two_judges_have_gone_ends_nothing(weights: tuple[Path, Path]) -> None:
    program = (
        "import os, signal, sys; from pathlib import Path; from pipeline.judges.photographs import photo_judge;"
        "signal.signal(signal.SIGUSR1, lambda *_: print('heard'));"
        "recogniser, pose = map(Path, sys.argv[1:]);"
        "[photo_judge(None, None, recogniser, pose) for _ in range(2)];"
        "os.kill(os.getpid(), signal.SIGUSR1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, weights)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "heard\n"), done.stderr


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
        photo_judge(find_square, warp, *weights)


def real_judge(shared: Path) -> Judge:
    detect = yunet(shared / "models/face_detection_yunet_2023mar.onnx", 0.6)
    names = ("face-reidentification-retail-0095", "head-pose-estimation-adas-0001")
    return photo_judge(detect, warp, *(shared / f"models/{name}.xml" for name in names))


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
