"""How a command ends before it is done: by SIGTERM or SIGINT, or because whoever started it is gone.

A signal raises Stopped, a SystemExit, where the command stands, so that every `finally` runs. Inside `deferred`
it is only remembered: a fit ends behind a step. Whatever hangs, PATIENCE seconds later the process is gone.
"""

import logging
import os
import select
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

SIGNALS = (signal.SIGTERM, signal.SIGINT)
PATIENCE = 13.0  # seconds from a signal to leaving without more ado
AGAIN = 1.0  # seconds from which on a second Ctrl-C means "at once"; `timeout` and others send one signal twice
EVERY = 1.0  # seconds between two looks at who started this
log = logging.getLogger(__name__)


class Stopped(SystemExit):
    """A signal came while nothing was being done that ends by itself; `code` is 128 + its number."""


class _Stop:
    """The handler of both signals: keeps the first one."""

    number, since, deferred = 0, 0.0, False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.number:
            if number == signal.SIGINT and time.monotonic() - self.since > AGAIN:
                os._exit(128 + number)
            return
        self.number, self.since = number, time.monotonic()
        if not self.deferred:
            raise Stopped(128 + number)


_stop = _Stop()


def watch() -> None:
    """From here on this process ends as described above; for the main thread of a command."""
    for number in _heard():
        signal.signal(number, _stop)
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    # Python runs a handler between two steps of the main thread, which takes none while C waits for another process.
    # The number of a signal arrives in the pipe all the same.
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    os.register_at_fork(after_in_child=lambda: signal.set_wakeup_fd(-1))  # a child's signals are its own
    threading.Thread(target=_wait, args=(woken, starters()), daemon=True, name="stopping").start()


@contextmanager
def deferred() -> Iterator[Callable[[], int]]:
    """Inside, a signal is only remembered; yields a function that says which one came, or 0."""
    main = threading.current_thread() is threading.main_thread()
    before = {number: signal.signal(number, _stop) for number in _heard()} if main else {}
    _stop.number, _stop.deferred = 0, True
    try:
        yield lambda: _stop.number
    finally:
        _stop.deferred = False
        for number, handler in before.items():
            signal.signal(number, handler)


def check() -> None:
    """For the midst of something long inside `deferred`, which nothing is lost of.

    Raises:
        Stopped: a signal has come.
    """
    if _stop.number:
        raise Stopped(128 + _stop.number)


def leave_within(seconds: float, code: int) -> None:
    """Whatever hangs until then: so many seconds from now this process is gone."""
    timer = threading.Timer(seconds, os._exit, [code])
    timer.daemon = True
    timer.start()


def leave_with(parent: int) -> None:
    """In a copy of that process: from here on it is gone when the other is, whatever it is doing."""

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(EVERY)
        os._exit(1)

    threading.Thread(target=look, daemon=True, name="leaving").start()


def starters() -> list[psutil.Process]:
    """Those without whom this process has no business: DVC and the shells between, or who started this rank.

    A command that a person started goes on when its terminal is closed, if they asked for that with nohup.
    """
    parents = psutil.Process().parents()
    if "TORCHELASTIC_RUN_ID" in os.environ or os.environ.get("LOCAL_RANK", "0") not in ("", "0"):
        return parents[:1]
    found = []
    for parent in parents if "DVC_STAGE" in os.environ else []:
        found.append(parent)
        try:
            if "DVC_STAGE" not in parent.environ():  # DVC itself: it tells those that it starts
                break
        except psutil.Error:
            break
    return found


def _heard() -> list[signal.Signals]:
    """Those of the signals that are not to be ignored: a shell has its background jobs ignore SIGINT."""
    return [number for number in SIGNALS if signal.getsignal(number) not in (signal.SIG_IGN, None)]


def _gone(process: psutil.Process) -> bool:
    try:
        return not process.is_running() or process.status() == psutil.STATUS_ZOMBIE
    except psutil.Error:
        return True


def _wait(woken: int, watched: list[psutil.Process]) -> None:
    """The thread: when one of the watched is gone, SIGTERM to ourselves; after any signal, the end in time."""
    end, code = float("inf"), 0
    while True:
        ready, _, _ = select.select([woken], [], [], min(EVERY, max(0.0, end - time.monotonic())))
        numbers = [number for number in (os.read(woken, 64) if ready else b"") if number in SIGNALS]
        if numbers and not code:
            end, code = time.monotonic() + PATIENCE, 128 + numbers[0]
        if time.monotonic() >= end:
            os._exit(code)
        if not code and any(map(_gone, watched)):
            log.warning("The process that started this one is gone, so it stops")
            watched = []
            os.kill(os.getpid(), signal.SIGTERM)
