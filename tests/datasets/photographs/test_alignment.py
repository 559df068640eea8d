import cv2
import numpy as np
import pytest

from pipeline.datasets.photographs.alignment import TEMPLATE, align, pixels, similarity, transform, warp


def checker(height: int, width: int, period: int) -> np.ndarray:
    y, x = np.mgrid[:height, :width] // period
    return np.repeat((255 * ((x + y) % 2)).astype(np.uint8)[..., None], 3, axis=2)


def turned(points: np.ndarray, scale: float, degrees: float, shift: tuple[float, float]) -> np.ndarray:
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    return (points @ np.array([(c, -s), (s, c)]).T + shift).astype(np.float32)


@pytest.mark.parametrize(("scale", "degrees"), [(1, 0), (0.2, 30), (7.5, -135), (1, 180)])
def test_a_known_similarity_is_recovered(scale: float, degrees: float) -> None:
    landmarks = pixels(TEMPLATE, 200)
    matrix = similarity(landmarks, turned(landmarks, scale, degrees, (40, -3)))
    c, s = scale * np.cos(np.radians(degrees)), scale * np.sin(np.radians(degrees))
    np.testing.assert_allclose(matrix, [(c, -s, 40), (s, c, -3)], atol=1e-4 * max(1, scale))


def test_the_similarity_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    p, q = rng.normal(size=(2, 5, 2))
    # a x - b y + u and b x + a y + v as one linear system
    rows = [row for x, y in p for row in ((x, -y, 1, 0), (y, x, 0, 1))]
    a, b, u, v = np.linalg.lstsq(np.array(rows), q.reshape(-1), rcond=None)[0]
    np.testing.assert_allclose(similarity(p, q), [(a, -b, u), (b, a, v)], atol=1e-12)


def test_a_mirrored_face_is_not_mirrored_back() -> None:
    landmarks = pixels(TEMPLATE, 100)
    matrix = similarity(landmarks * (-1, 1), landmarks)
    assert np.linalg.det(matrix[:, :2]) > 0


@pytest.mark.parametrize("bad", [np.zeros((5, 2)), np.full((5, 2), np.nan), np.zeros((4, 2)), np.zeros((5, 3))])
def test_landmarks_that_span_nothing_are_refused(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="landmarks"):
        similarity(bad, pixels(TEMPLATE, 64))


def test_the_template_is_symmetric_in_pixels() -> None:
    points = pixels(TEMPLATE, 64)
    mirrored = (points * (-1, 1) + (63, 0))[[1, 0, 2, 4, 3]]
    np.testing.assert_allclose(mirrored, points, atol=1e-5)


@pytest.mark.parametrize("scale", [0.4, 1, 3.3, 8, 20])
@pytest.mark.parametrize("image_size", [32, 64, 128])
def test_landmarks_come_to_lie_on_the_template(scale: float, image_size: int) -> None:
    landmarks = turned(pixels(TEMPLATE, image_size), scale, 20, (30, 50))
    image = np.zeros((200, 300, 3), dtype=np.uint8)
    crop, found = align(image, landmarks, image_size, 0.0)
    assert crop.shape == (image_size, image_size, 3)
    assert crop.dtype == np.uint8
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, pixels(TEMPLATE, image_size), atol=0.01)


@pytest.mark.parametrize("scale", [0.5, 1, 1.7, 4, 9, 18])
def test_pixels_go_where_the_landmarks_go(scale: float) -> None:
    side = round(64 * scale) + 80
    landmarks = turned(pixels(TEMPLATE, 64), scale, 10, (40, 30))
    spread = max(1.5, 1.5 * scale)
    y, x = np.mgrid[:side, :side]
    for i in range(5):
        blob = 255 * np.exp(-((x - landmarks[i, 0]) ** 2 + (y - landmarks[i, 1]) ** 2) / (2 * spread**2))
        image = np.repeat(np.rint(blob).astype(np.uint8)[..., None], 3, axis=2)
        crop, found = align(image, landmarks, 64, 0.0)
        weight = crop[..., 0] / crop[..., 0].sum()
        v, u = np.mgrid[:64, :64]
        np.testing.assert_allclose([(u * weight).sum(), (v * weight).sum()], found[i], atol=0.1)


@pytest.mark.parametrize("shrink", [2.3, 4, 5.5, 13])
@pytest.mark.parametrize("degrees", [0, 17])
def test_a_fine_pattern_turns_grey_instead_of_coarse(shrink: float, degrees: float) -> None:
    side = round(64 * shrink * 1.6)
    image = checker(side, side, period=1)
    landmarks = turned(pixels(TEMPLATE, 64), shrink, degrees, (0.3 * side if degrees else 0.2 * side, 0.1 * side))
    crop = align(image, landmarks, 64, 0.0)[0]
    plain = cv2.warpAffine(image, similarity(landmarks, pixels(TEMPLATE, 64)), (64, 64))
    ours, theirs = (np.sqrt(((picture - 127.5) ** 2).mean()) for picture in (crop, plain))
    assert ours < 12
    assert theirs > 2 * ours


def test_an_unmoved_photograph_is_returned_as_it_is() -> None:
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    np.testing.assert_array_equal(align(image, pixels(TEMPLATE, 64), 64, 0.0)[0], image)


def test_beyond_the_photograph_its_edge_is_repeated() -> None:
    image = np.zeros((64, 64, 3), dtype=np.uint8)
    image[:, 0] = (10, 200, 30)
    crop, _ = align(image, pixels(TEMPLATE, 64) - (20, 0), 64, 0.0)
    assert (crop[:, :18] == (10, 200, 30)).all()


def test_only_the_seen_part_of_a_photograph_matters() -> None:
    image = np.random.default_rng(0).integers(0, 256, (300, 400, 3), dtype=np.uint8)
    landmarks = turned(pixels(TEMPLATE, 64), 2, 15, (120, 60))
    np.testing.assert_array_equal(
        align(image, landmarks, 64, 0.0)[0], align(np.pad(image, ((0, 9), (0, 9), (0, 0))), landmarks, 64, 0.0)[0]
    )


@pytest.mark.parametrize("shape", [(40_000, 90), (90, 40_000), (1, 1), (3, 200)])
def test_photographs_of_any_shape_are_cut(shape: tuple[int, int]) -> None:
    image = np.full((*shape, 3), 77, dtype=np.uint8)
    landmarks = pixels(TEMPLATE, 64) + np.array([shape[1] // 2 - 32, shape[0] // 2 - 32])
    assert (align(image, landmarks, 64, 0.0)[0] == 77).all()


def test_a_face_as_large_as_the_largest_photograph_is_cut() -> None:
    crop, _ = align(checker(4000, 4000, period=1), pixels(TEMPLATE, 4000), 64, 0.0)
    assert np.abs(crop - 127.5).max() < 2


def test_a_warp_takes_any_points_and_any_template() -> None:
    image = np.zeros((100, 100, 3), dtype=np.uint8)
    image[20:60, 30:70] = 255
    corners = np.array([(29.5, 19.5), (69.5, 19.5), (29.5, 59.5), (69.5, 59.5)])
    unit = np.array([(0, 0), (1, 0), (0, 1), (1, 1)])
    crop, found = warp(image, corners, unit, 40)
    assert (crop == 255).all()
    np.testing.assert_allclose(transform(similarity(corners, pixels(unit, 40)), corners), found)
