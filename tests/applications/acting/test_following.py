"""Which face is meant, in films whose faces are known."""

import json

import numpy as np
import pytest

from pipeline.applications.acting.following import PLACES, Follower, around, overlap
from pipeline.datasets.photographs.detection import Detection

# Every pixel says where it is.
SCENE = np.dstack([*np.mgrid[0:240, 0:160].repeat(2, axis=2), np.tile(np.arange(320) % 2, (240, 1))]).astype(np.uint8)


def face(left, top=50, side=60):
    return Detection(np.array([left, top, side, side], np.float32), np.zeros((5, 2), np.float32), 0.9)


def follower(choose):
    """One that finds those of the faces `seen` of it that lie in the part of the scene that it is shown."""

    def detect(image):
        top, left = (np.argwhere((image[0, 0] == SCENE).all(axis=2)).tolist() or [(0, 0)])[0]
        here = np.array([left, top, 0, 0], np.float32)
        within = [f for f in follow.seen if (f.box[:2] >= here[:2]).all()]
        within = [f for f in within if (f.box[:2] + f.box[2:] <= here[:2] + image.shape[1::-1]).all()]
        return [Detection(f.box - here, f.landmarks - here[:2], f.score) for f in within]

    follow = Follower(detect, choose)
    return follow


def followed(follow, faces, seconds, image=SCENE):
    follow.seen = faces
    found = follow(image, seconds)
    return None if found is None else (float(found.face.box[0]), found.chosen)


@pytest.mark.parametrize(("place", "left"), [("left", 10), ("right", 250), ("largest", 60), ("central", 130)])
def test_the_place_says_who_is_meant(place, left):
    faces = [face(130, side=50), face(10, side=40), face(250, side=45), face(60, side=62)]
    assert PLACES[place](SCENE, faces).box[0] == left


def test_two_who_change_places_are_not_mixed_up():
    follow = follower(PLACES["left"])
    for i in range(40):
        going, coming = 10 + 5 * i, 210 - 5 * i
        faces = [face(coming, top=150), face(going, top=20)]
        assert followed(follow, faces, i / 25) == (going, i == 0)


def test_while_the_face_is_hidden_nobody_else_is_taken_for_it():
    follow = follower(PLACES["left"])
    assert followed(follow, [face(10), face(200)], 0.0) == (10, True)
    assert followed(follow, [face(200)], 0.1) is None
    assert followed(follow, [], 0.2) is None
    assert followed(follow, [face(12), face(200)], 0.3) == (12, False)
    assert followed(follow, [face(200)], 1.0) == (200, True)  # it is long gone


def test_after_a_cut_the_face_is_chosen_anew_at_once():
    follow = follower(PLACES["largest"])
    assert followed(follow, [face(10)], 0.0) == (10, True)
    assert followed(follow, [face(200)], 0.04, image=SCENE[:, :, ::-1] + np.uint8(100)) == (200, True)


def test_a_choice_may_be_that_it_is_none_of_them():
    follow = follower(lambda image, faces: None)
    assert followed(follow, [face(10)], 0.0) is None


def test_the_surroundings_are_searched_before_the_whole_picture():
    asked = []
    here = Detection(np.array([100, 60, 40, 50], np.float32), np.full((5, 2), 110, np.float32), 0.9)

    def detect(image):
        asked.append(image.shape)
        return [] if len(asked) > 1 else [here]

    follow = Follower(detect, PLACES["largest"])
    assert follow(SCENE, 0.0) is not None
    assert follow(SCENE, 0.04) is None
    assert asked == [(240, 320, 3), (151, 151, 3), (240, 320, 3)]


def test_a_face_in_the_surroundings_comes_back_in_pixels_of_the_picture():
    large = np.zeros((2000, 3000, 3), np.uint8)
    large[900:1100, 1400:1700] = 255

    def bright(image):
        rows, columns = np.nonzero(image[:, :, 0] > 127)
        box = np.array([columns.min(), rows.min(), np.ptp(columns) + 1, np.ptp(rows) + 1], np.float32)
        return [Detection(box, np.tile(box[:2], (5, 1)), 1.0)]

    (found,) = around(large, np.array([1350, 880, 300, 300], np.float32), bright)
    assert np.allclose(found.box, [1400, 900, 300, 200], atol=3)
    assert np.allclose(found.landmarks, [1400, 900], atol=3)


def test_overlap_is_of_intersection_and_union():
    a, b = np.array([0, 0, 10, 10.0]), np.array([5, 0, 10, 10.0])
    assert overlap(a, a) == pytest.approx(1)
    assert overlap(a, b) == pytest.approx(50 / 150)
    assert overlap(a, a + np.array([20, 0, 0, 0])) == 0


def test_following_goes_on_from_what_was_written_down():
    first, second = follower(PLACES["left"]), follower(PLACES["left"])
    second.restore(json.loads(json.dumps(first.state())))
    assert followed(second, [face(100), face(200)], 0.0) == (100, True)
    second = follower(PLACES["left"])
    followed(first, [face(100), face(200)], 0.0)
    second.restore(json.loads(json.dumps(first.state())))
    assert followed(second, [face(20), face(104)], 0.04) == (104, False)
