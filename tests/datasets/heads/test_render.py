import numpy as np
import pytest

from pipeline.datasets.heads import (
    ATTRIBUTES,
    IDENTITY,
    Dimension,
    neutral_attributes,
    neutral_identity,
    render,
    sample_attributes,
    sample_identity,
)
from pipeline.datasets.heads.colors import skin_color
from pipeline.datasets.heads.vectors import named

TEMPLATE = np.array([(0.354, 0.415), (0.646, 0.415), (0.50, 0.557), (0.378, 0.704), (0.622, 0.704)])
CORNERS = (np.array([0, 0, 1]), np.array([0, 63, 62]))


def changed(values: np.ndarray, dimensions: tuple[Dimension, ...], **numbers: float) -> np.ndarray:
    values = values.copy()
    for name, number in numbers.items():
        values[[d.name for d in dimensions].index(name)] = number
    return values


def scene(**numbers: float) -> np.ndarray:
    return changed(neutral_attributes(), ATTRIBUTES, **numbers)


def person(**numbers: float) -> np.ndarray:
    return changed(neutral_identity(), IDENTITY, **numbers)


def samples(count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    rng = np.random.default_rng(3)
    return [(sample_identity(rng), sample_attributes(rng)) for _ in range(count)]


def test_a_picture_is_rgb_bytes_of_the_size_asked_for():
    for size in (32, 64, 96):
        drawn = render(*samples(1)[0], size)
        assert drawn.image.shape == (size, size, 3)
        assert drawn.image.dtype == np.uint8
        assert drawn.landmarks.shape == (5, 2)
        assert drawn.landmarks.dtype == np.float32


def test_the_same_vectors_give_the_same_bytes_whatever_was_drawn_before():
    pairs = samples(6)
    first = [render(*pair, 64) for pair in pairs]
    np.random.seed(1)
    again = [render(*pair, 64) for pair in reversed(pairs)][::-1]
    for one, other in zip(first, again, strict=True):
        assert one.image.tobytes() == other.image.tobytes()
        assert one.landmarks.tobytes() == other.landmarks.tobytes()


def test_rendering_leaves_its_vectors_alone():
    identity, attributes = samples(1)[0]
    before = identity.copy(), attributes.copy()
    render(identity, attributes, 32)
    np.testing.assert_array_equal(identity, before[0])
    np.testing.assert_array_equal(attributes, before[1])


def test_landmarks_of_the_mean_frontal_head_lie_on_the_template():
    landmarks = render(neutral_identity(), scene(), 64).landmarks / 64
    np.testing.assert_allclose(landmarks, TEMPLATE, atol=0.01)


def test_landmarks_scale_with_the_image():
    identity, attributes = samples(1)[0]
    small, large = (render(identity, attributes, size).landmarks for size in (32, 128))
    np.testing.assert_allclose(4 * small, large, rtol=1e-5)


def test_the_left_eye_and_mouth_corner_come_first():
    for identity, attributes in samples(20):
        left_eye, right_eye, _, left_corner, right_corner = render(identity, attributes, 32).landmarks
        assert left_eye[0] < right_eye[0]
        assert left_corner[0] < right_corner[0]


def test_the_pixels_at_the_eyes_are_the_eyes():
    drawn = render(person(iris_color=0.0), scene(), 64)
    mean = drawn.image.mean(-1)
    for x, y in drawn.landmarks[:2].astype(int):
        assert mean[y - 1 : y + 2, x - 1 : x + 2].min() < 80 < mean[y + 6, x]


def test_positive_yaw_turns_the_face_to_the_right_of_the_image():
    left, front, right = (render(person(), scene(yaw=yaw), 64).landmarks for yaw in (-30, 0, 30))
    assert left[2, 0] + 5 < front[2, 0] < right[2, 0] - 5
    # The nose stands out: it moves farther than the eyes do.
    assert right[2, 0] - front[2, 0] > (right[:2, 0] - front[:2, 0]).mean() + 2


def test_positive_pitch_looks_up():
    down, front, up = (render(person(), scene(pitch=pitch), 64).landmarks for pitch in (-15, 0, 15))
    assert down[2, 1] > front[2, 1] > up[2, 1]
    # The nose rises towards the eyes.
    assert up[2, 1] - up[:2, 1].mean() < front[2, 1] - front[:2, 1].mean() < down[2, 1] - down[:2, 1].mean()


def test_positive_roll_turns_clockwise():
    landmarks = render(person(), scene(roll=10), 64).landmarks
    assert landmarks[1, 1] > landmarks[0, 1] + 1  # y points down
    across, down = landmarks[1] - landmarks[0]
    assert np.degrees(np.arctan2(down, across)) == pytest.approx(10, abs=1)


def test_a_smile_lifts_and_widens_the_corners_of_the_mouth():
    plain, smiling = (render(person(), scene(smile=smile), 64).landmarks for smile in (0, 1))
    assert (smiling[3:, 1] < plain[3:, 1]).all()
    assert smiling[4, 0] - smiling[3, 0] > plain[4, 0] - plain[3, 0]


def test_an_open_mouth_is_dark_inside():
    shut, opened = (render(person(), scene(mouth_open=wide), 64) for wide in (0, 1))
    x, y = shut.landmarks[3:].mean(0).astype(int)
    darkest = [drawn.image[y : y + 6, x].mean(-1).min() for drawn in (shut, opened)]
    assert darkest[1] < darkest[0] - 40


def test_light_from_the_right_brightens_the_right_cheek():
    for azimuth in (-70, 70):
        drawn = render(person(), scene(light_azimuth=azimuth), 64)
        (left, y), (right, _) = drawn.landmarks[:2].astype(int) + np.array([(-3, 7), (3, 7)])
        difference = float(drawn.image[y, right].mean()) - float(drawn.image[y, left].mean())
        assert np.sign(difference) == np.sign(azimuth)
        assert abs(difference) > 30


@pytest.mark.parametrize("dimension", IDENTITY, ids=lambda d: d.name)
def test_each_number_of_the_identity_shows(dimension):
    # Half a turn of the head, so that depth shows as well.
    low, high = (
        render(person(**{dimension.name: end}), scene(yaw=25), 64).image.astype(int)
        for end in (dimension.low, dimension.high)
    )
    assert np.abs(low - high).max() > 12


@pytest.mark.parametrize("dimension", ATTRIBUTES, ids=lambda d: d.name)
def test_each_attribute_shows(dimension):
    # A circle's ends are the same place.
    high = (dimension.low + dimension.high) / 2 if dimension.kind == "circular" else dimension.high
    low, high = (
        render(person(), scene(**{dimension.name: end}), 64).image.astype(int) for end in (dimension.low, high)
    )
    assert np.abs(low - high).max() > 12


@pytest.mark.parametrize("dimension", [d for d in ATTRIBUTES if d.kind == "circular"], ids=lambda d: d.name)
@pytest.mark.parametrize("pattern", [0.0, 0.33, 0.67, 1.0])
def test_a_circular_attribute_ends_where_it_begins(dimension, pattern):
    low, high = (
        render(person(), scene(background_pattern=pattern, **{dimension.name: end}), 64).image.astype(int)
        for end in (dimension.low, dimension.high)
    )
    assert np.abs(low - high).max() <= 2


def test_the_identity_leaves_the_upper_corners_untouched():
    attributes = scene(yaw=10)
    images = [render(identity, attributes, 64).image for identity, _ in samples(25)]
    for image in images[1:]:
        np.testing.assert_array_equal(image[CORNERS], images[0][CORNERS])


def test_the_background_is_not_flat():
    for _, attributes in samples(12):
        image = render(person(hair_cover=0.0), attributes, 64).image
        assert image[:, :8].astype(float).std(axis=(0, 1)).max() > 2


def test_skin_is_a_matter_of_the_identity_alone():
    numbers = named(neutral_identity(), IDENTITY)
    assert not {d.name for d in ATTRIBUTES} & set(numbers)
    light, dark = (skin_color(numbers | {"melanin": melanin}) for melanin in (0.0, 1.0))
    assert (light > 3 * dark).all()


def test_the_ratio_of_two_skins_survives_a_change_of_light():
    ratios = []
    for ambience in (0.3, 0.7):
        people = (person(melanin=melanin, beard=0, moustache=0) for melanin in (0.4, 0.7))
        shown = [render(one, scene(ambience=ambience), 64).image[39, 22].astype(float) ** 2 for one in people]
        ratios.append(shown[1] / shown[0])
    np.testing.assert_allclose(ratios[0], ratios[1], atol=0.06)


def test_a_vector_of_another_length_is_refused():
    with pytest.raises(ValueError, match=r"50 numbers.*\(3,\)"):
        render(np.zeros(3, np.float32), neutral_attributes(), 64)
