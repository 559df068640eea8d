"""Numbers of a photograph's quality: each reacts to what it is named after, and to little else."""

import cv2
import numpy as np
import pytest

from pipeline.datasets import heads
from pipeline.datasets.photographs.alignment import TEMPLATE, pixels
from pipeline.datasets.photographs.quality import GREY, _lab, pose, quality

ATTRIBUTE = {d.name: i for i, d in enumerate(heads.ATTRIBUTES)}


@pytest.fixture(scope="module")
def crop():
    rng = np.random.default_rng(1)
    return heads.render(heads.sample_identity(rng), heads.neutral_attributes(), 64).image


def measured(image, points=None):
    return quality(image, pixels(TEMPLATE, image.shape[0]) if points is None else points, 0.0)


def test_blur_lowers_sharpness_and_nothing_else(crop):
    before, after = measured(crop), measured(cv2.GaussianBlur(crop, (0, 0), 2))
    assert after.sharpness < before.sharpness / 4
    assert after.exposure == pytest.approx(before.exposure, abs=0.02)
    assert (after.yaw, after.pitch, after.roll) == (before.yaw, before.pitch, before.roll)


def test_exposure_and_contrast_are_mean_and_spread_of_luma():
    flat = np.full((64, 64, 3), 51, np.uint8)
    assert measured(flat).exposure == pytest.approx(0.2)
    assert measured(flat).contrast == 0
    assert measured(flat).sharpness == 0
    board = np.where(np.indices((64, 64)).sum(0) % 2 == 0, 255, 0).astype(np.uint8)
    assert measured(np.repeat(board[..., None], 3, 2)).contrast == pytest.approx(0.5, abs=0.01)


def test_only_the_face_counts(crop):
    around = crop.copy()
    around[:8], around[:, :4], around[:, -4:] = 255, 0, 255
    assert measured(around) == measured(crop)


def test_eye_distance_is_in_pixels_of_the_photograph(crop):
    points = pixels(TEMPLATE, 64)
    assert measured(crop, points * 5).eye_distance == pytest.approx(5 * measured(crop, points).eye_distance)
    assert measured(crop, points).eye_distance == pytest.approx(0.292 * 64, abs=0.01)


@pytest.mark.parametrize(
    ("color", "low", "high"), [((245, 220, 205), 55, 90), ((198, 134, 66), -5, 30), ((70, 40, 25), -90, -30)]
)
def test_skin_tone_orders_light_and_dark_skin(color, low, high):
    assert low < measured(np.full((64, 64, 3), color, np.uint8)).skin_ita < high


def test_a_color_is_converted_as_opencv_converts_pictures():
    colors = np.random.default_rng(0).integers(0, 256, (50, 3)).tolist()
    for color in [*colors, [0, 0, 0], [255, 255, 255], [9, 3, 250]]:
        expected = cv2.cvtColor(np.float32([[color]]) / 255, cv2.COLOR_RGB2LAB)[0, 0]
        np.testing.assert_allclose(_lab(*color), expected, atol=0.6)  # its tables are coarse


def test_a_grey_photograph_has_no_skin_tone():
    assert np.isnan(measured(np.full((64, 64, 3), 128, np.uint8)).skin_ita)
    assert GREY > 0


def test_a_face_turned_in_the_picture_has_that_roll():
    points = pixels(TEMPLATE, 64).astype(np.float64)
    turn = np.radians(25)
    turned = points @ np.array([(np.cos(turn), np.sin(turn)), (-np.sin(turn), np.cos(turn))])
    assert pose(turned)[2] == pytest.approx(25)
    assert pose(points)[2] == pytest.approx(0)
    assert pose(points)[0] == pytest.approx(0, abs=1)


def test_yaw_follows_the_true_yaw_of_rendered_heads_and_mirrors_with_the_picture():
    rng = np.random.default_rng(0)
    true, told = [], []
    for _ in range(60):
        attributes = heads.sample_attributes(rng)
        landmarks = heads.render(heads.sample_identity(rng), attributes, 64).landmarks
        true.append(attributes[[ATTRIBUTE["yaw"], ATTRIBUTE["pitch"]]])
        told.append(pose(landmarks)[:2])
        mirrored = ((63, 0) - landmarks * (1, -1))[[1, 0, 2, 4, 3]]
        assert pose(mirrored)[0] == pytest.approx(-told[-1][0], abs=1e-6)
    true, told = np.array(true), np.array(told)
    assert np.corrcoef(true[:, 0], told[:, 0])[0, 1] > 0.97
    assert np.abs(true[:, 0] - told[:, 0]).mean() < 10
    assert np.corrcoef(true[:, 1], told[:, 1])[0, 1] > 0.7
