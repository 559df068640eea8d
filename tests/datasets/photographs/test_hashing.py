"""Perceptual hashes: near for copies of a photograph, far for two photographs."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from pipeline.datasets.photographs.hashing import perceptual_hash
from pipeline.params import load_params

ROOT = Path(__file__).parents[3]


@pytest.fixture
def near_bits() -> int:
    return load_params(ROOT / "params.yaml").data.duplicates.near_bits


def bits(one: np.ndarray, other: np.ndarray) -> int:
    return int(np.bitwise_count(hashed([one]) ^ hashed([other])).sum())


def hashed(images: list[np.ndarray]) -> np.ndarray:
    return np.frombuffer(b"".join(perceptual_hash(image) for image in images), np.uint8).reshape(-1, 32)


def photograph(seed: int, height: int = 300, width: int = 240) -> np.ndarray:
    """Blobs of all sizes, larger ones stronger, with noise: the spectrum of a photograph."""
    rng = np.random.default_rng(seed)
    image = np.zeros((height, width, 3))
    for side in (3, 6, 12, 24, 48, 96):
        blobs = rng.normal(0, 100 / side**0.7, (side, side, 3))
        image += cv2.resize(blobs, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.clip(128 + image + rng.normal(0, 3, image.shape), 0, 255).astype(np.uint8)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    stored = io.BytesIO()
    Image.fromarray(image).save(stored, "JPEG", quality=quality)
    return np.array(Image.open(stored))


def half(image: np.ndarray) -> np.ndarray:
    height, width = image.shape[:2]
    return cv2.resize(image, (width // 2, height // 2), interpolation=cv2.INTER_AREA)


COPIES = {
    "jpeg": lambda image: jpeg(image, 50),
    "half": half,
    "half_jpeg": lambda image: jpeg(half(image), 85),
    "brighter": lambda image: np.clip(image * 1.05 + 4, 0, 255).astype(np.uint8),
    "grey": lambda image: np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, axis=2),
}


@pytest.mark.parametrize("kind", COPIES)
@pytest.mark.parametrize("size", [(300, 240), (512, 512), (113, 170)])
def test_a_copy_is_near(kind, size, near_bits):
    for seed in range(10):
        image = photograph(seed, *size)
        assert bits(image, COPIES[kind](image)) <= near_bits


def test_another_photograph_is_far(near_bits):
    found = hashed([photograph(seed) for seed in range(60)])
    assert differences(found).min() > 3 * near_bits


def test_a_mirrored_or_turned_photograph_is_another(near_bits):
    image = photograph(0)
    for other in (image[:, ::-1], image[::-1], image.transpose(1, 0, 2), np.rot90(image)):
        assert bits(image, np.ascontiguousarray(other)) > 3 * near_bits


def test_only_the_pixels_count_not_how_they_lie_in_memory():
    image = photograph(1)
    turned = np.asfortranarray(image)
    inside = np.pad(image, ((5, 5), (7, 7), (0, 0)))[5:-5, 7:-7]
    assert perceptual_hash(image) == perceptual_hash(turned) == perceptual_hash(inside)


@pytest.mark.parametrize("size", [(1, 1), (1, 500), (64, 64), (2000, 3)])
def test_any_size_has_32_bytes(size):
    assert len(perceptual_hash(photograph(0, *size))) == 32


def test_about_half_of_the_bits_are_set():
    assert np.bitwise_count(hashed([photograph(seed) for seed in range(10)])).sum(axis=1) == pytest.approx(128, abs=1)


def test_blank_pictures_are_one_picture(near_bits):
    shades = [np.full((50 + shade, 60, 3), shade, np.uint8) for shade in (0, 1, 77, 128, 254, 255)]
    assert differences(hashed(shades)).max() <= 1


def differences(hashes: np.ndarray) -> np.ndarray:
    one, other = np.triu_indices(len(hashes), 1)
    return np.bitwise_count(hashes[one] ^ hashes[other]).sum(axis=1)


def portraits(folder: Path, pattern: str) -> list[np.ndarray]:
    images = [np.array(Image.open(path).convert("RGB")) for path in sorted(folder.glob(pattern))]
    assert images
    return images


@pytest.mark.shared
def test_no_two_real_portraits_are_near(shared, near_bits):
    images = portraits(shared / "faces" / "london", "*/*.jpg")
    assert len(images) == 204
    assert differences(hashed(images)).min() > near_bits


@pytest.mark.shared
@pytest.mark.parametrize(("people", "pattern"), [("london", "*/*.jpg"), ("congress", "*1.jpg")])
def test_copies_of_real_portraits_are_near(people, pattern, shared, near_bits):
    for image in portraits(shared / "faces" / people, pattern)[:100]:
        assert bits(image, jpeg(image, 50)) <= near_bits
        assert bits(image, jpeg(half(image), 85)) <= near_bits
