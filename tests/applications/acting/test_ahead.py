"""A thread that works ahead: order, bounds, errors, and an end however the body ends."""

import threading
import time

import pytest

from pipeline.applications.acting.ahead import ahead


def threads():
    return [thread for thread in threading.enumerate() if thread.name == "ahead"]


def counted(most, made, closed):
    try:
        for i in range(most):
            made.append(i)
            yield i
    finally:
        closed.append(threading.current_thread().name)


def wait(reached):
    end = time.monotonic() + 10
    while not reached() and time.monotonic() < end:
        time.sleep(0.001)
    assert reached()


def test_the_items_come_in_their_order_through_several_threads():
    def doubled(items):
        for item in items:
            yield 2 * item

    with ahead(counted(500, [], [])) as one, ahead(doubled(one)) as two, ahead(doubled(two), 3) as three:
        assert list(three) == [4 * i for i in range(500)]
    assert not threads()


def test_it_is_ahead_and_only_as_far_as_it_was_told():
    made, closed = [], []
    with ahead(counted(100, made, closed), 3) as items:
        wait(lambda: len(made) == 4)  # three that wait, and the one that was made since
        time.sleep(0.05)
        assert len(made) == 4
        assert next(items) == 0
        wait(lambda: len(made) == 5)
    assert len(made) <= 6
    assert closed == ["ahead"]  # where it was at work
    assert not threads()


@pytest.mark.parametrize("taken", [0, 1, 3])
def test_what_ends_the_body_ends_the_thread_at_once(taken):
    made, closed = [], []
    with (  # noqa: PT012
        pytest.raises(KeyboardInterrupt),
        ahead(counted(10**9, made, closed)) as one,
        ahead(i for i in one) as two,
    ):
        assert [next(two) for _ in range(taken)] == list(range(taken))
        raise KeyboardInterrupt
    assert closed == ["ahead"]
    assert len(made) < taken + 8
    assert not threads()


@pytest.mark.parametrize("error", [ValueError, MemoryError, SystemExit])
def test_an_error_is_raised_where_the_item_is_asked_for(error):
    def failing():
        yield from (0, 1)
        raise error("of the thread")

    got = []
    with pytest.raises(error, match="of the thread"), ahead(failing()) as one, ahead(i for i in one) as two:  # noqa: PT012
        for item in two:
            got.append(item)
    assert got == [0, 1]
    assert not threads()


def test_an_error_that_nobody_asks_for_does_not_hold_the_end_up():
    def failing():
        yield 0
        raise ValueError

    with ahead(failing()) as items:
        assert next(items) == 0
    assert not threads()
