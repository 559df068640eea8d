"""Near to the truth: as a whole, around the eyes, around the mouth, each on its own."""

import numpy as np
import pytest

from pipeline.applications.evaluation.nearness import Nearness
from pipeline.applications.evaluation.regions import EYES, MOUTH, cut, pasted
from pipeline.judges.verdict import Verdict
from pipeline.metrics.truth import NAMES

SIDE = 64


@pytest.fixture
def true():
    return np.random.default_rng(0).integers(0, 256, (3, SIDE, SIDE, 3), np.uint8)


@pytest.fixture
def landmarks():
    """Of faces that stand at other places; the last one's eyes reach the border."""
    face = np.array([(23, 26), (41, 26), (32, 35), (24, 44), (40, 44)], np.float32)
    return np.stack([face, face + np.float32([3, -2]), face - np.float32([12, 20])])


def judge(images):
    """Sees the mean colour alone."""
    return Verdict(images.mean((1, 2)).astype(np.float32), {}, np.ones(len(images), bool))


def test_a_region_lies_around_its_landmarks_and_within_the_image(true, landmarks):
    eyes, mouth = (cut(true, region, landmarks) for region in (EYES, MOUTH))
    assert (eyes.shape, mouth.shape) == ((3, 16, 36, 3), (3, 16, 28, 3))
    np.testing.assert_array_equal(eyes[0], true[0, 18:34, 14:50])
    np.testing.assert_array_equal(mouth[1], true[1, 34:50, 21:49])
    np.testing.assert_array_equal(eyes[2], true[2, 0:16, 2:38])


def test_a_face_that_is_pasted_is_another_in_the_region_alone(true, landmarks):
    black = np.zeros_like(true)
    made = pasted(black, true, MOUTH, landmarks)
    assert not cut(made, MOUTH, landmarks).any()
    changed = (made != true).any(-1)
    assert changed.sum((1, 2)).max() <= 16 * 28
    assert changed[0, 36:52, 18:46].sum() == changed[0].sum()
    assert true.any()  # the original is left alone


def near(true, landmarks):
    return Nearness(true, judge(true), landmarks, judge)


def test_the_truth_is_as_near_as_can_be_everywhere(true, landmarks):
    columns = near(true, landmarks).of(true, judge(true))
    # 16 pixels of a region have no room for two scales.
    assert set(columns) == {f"truth/{n}{e}" for n in (*NAMES, "feature_distance") for e in ("", "_eyes", "_mouth")} - {
        "truth/ms_ssim_eyes",
        "truth/ms_ssim_mouth",
    }
    for name, column in columns.items():
        ideal = 100 if "psnr" in name else 0 if "distance" in name else 1
        np.testing.assert_allclose(column, ideal, atol=1e-5)


def test_a_wrong_mouth_leaves_the_eyes_right(true, landmarks):
    made = pasted(np.zeros_like(true) + np.uint8([255, 0, 0]), true, MOUTH, landmarks)
    made[2] = true[2]  # in the last the regions meet
    columns = near(true, landmarks).of(made, judge(made))
    assert (columns["truth/psnr_eyes"] == 100).all()
    assert (columns["truth/psnr_mouth"][:2] < columns["truth/psnr"][:2]).all()
    assert (columns["truth/feature_distance_mouth"][:2] > 1e-6).all()
    np.testing.assert_allclose(columns["truth/feature_distance_eyes"], 0, atol=1e-6)
    assert (columns["truth/ssim_mouth"][:2] < columns["truth/ssim"][:2]).all()
