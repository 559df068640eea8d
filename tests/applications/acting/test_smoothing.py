"""The filter, on movements whose answer is known."""

import json

import numpy as np
import pytest

from pipeline.applications.acting.smoothing import OneEuro


def filtered(values, times, **how):
    steady = OneEuro(**({"rest_hz": 1.5, "per_speed": 10.0} | how))
    return np.array([steady(value, time) for value, time in zip(values, times, strict=True)])


def test_what_does_not_move_stays_where_it_is():
    out = filtered(np.full((50, 3), 7.0), np.arange(50) / 25)
    assert np.array_equal(out, np.full((50, 3), 7.0, np.float32))


def test_a_face_at_rest_trembles_less_than_half_as_much():
    noise = np.random.default_rng(0).normal(0, 0.005, (500, 10))  # of the face's width
    out = filtered(noise, np.arange(500) / 25)
    assert out[50:].std() < 0.5 * noise.std()


def test_a_face_that_moves_is_followed_closely():
    times = np.arange(100) / 25
    movement = np.stack([times, times], axis=1)  # a width a second
    lag = (movement - filtered(movement, times))[50:]
    assert 0 < lag.max() < 0.03
    slow = (movement - filtered(movement, times, per_speed=0.0))[50:]
    assert slow.min() > 3 * lag.max()  # an exponential mean that is as calm at rest


def test_times_are_the_films_own():
    steady = np.arange(41) / 20
    even = filtered(np.sin(steady)[:, None], steady)
    gap = filtered(np.array([[0.0], [1.0]]), [0.0, 60.0])
    assert gap[1, 0] > 0.99  # after a minute, what was before says nothing
    double = filtered(np.sin(steady)[:, None], steady * 2)
    assert not np.allclose(even, double)


def test_speed_is_counted_in_units_of_the_face():
    times, movement = np.arange(50) / 25, np.arange(50)[:, None] / 25
    large = OneEuro(1.5, 10.0)
    out = np.array([large(100 * value, time, unit=100) for value, time in zip(movement, times, strict=True)])
    assert np.allclose(out / 100, filtered(movement, times), atol=1e-5)


@pytest.mark.parametrize("before", [0, 1, 20])
def test_a_filter_goes_on_from_what_was_written_down(before):
    values = np.random.default_rng(1).normal(size=(40, 5, 2))
    whole, first, second = OneEuro(2.0, 1.0), OneEuro(2.0, 1.0), OneEuro(2.0, 1.0)
    expected = [whole(value, i / 25) for i, value in enumerate(values)]
    for i in range(before):
        first(values[i], i / 25)
    second.restore(json.loads(json.dumps(first.state())))
    after = [second(values[i], i / 25) for i in range(before, 40)]
    assert np.array_equal(after, expected[before:])
