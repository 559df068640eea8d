"""All that is compared, looked at once."""

import numpy as np

from pipeline.applications.evaluation.material import asked_once
from pipeline.judges.verdict import Verdict


def test_an_image_that_comes_several_times_is_shown_once_and_answered_each_time():
    shown = []

    def judge(images):
        shown.append(len(images))
        mean = images.mean(axis=(1, 2, 3))
        return Verdict(mean[:, None], {"yaw": 2 * mean}, mean > 100)

    grey = np.array([7, 200, 7, 90, 200, 7], np.uint8)
    images = np.broadcast_to(grey[:, None, None, None], (6, 4, 4, 3))
    said = asked_once(judge)(images)
    assert shown == [3]
    assert said.features[:, 0].tolist() == grey.tolist()
    assert said.attributes["yaw"].tolist() == (2.0 * grey).tolist()
    assert said.found.tolist() == [False, True, False, False, True, False]


def test_different_images_are_handed_on_as_they_are():
    shown = []
    images = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(5, 4, 4, 3)

    def judge(given):
        shown.append(given)
        return Verdict(np.zeros((5, 1)), {}, np.ones(5, bool))

    asked_once(judge)(images)
    assert shown[0] is images
