"""What trembles from picture to picture, held still without dragging behind.

The one-euro filter (Casiez, Roussel and Vogel, CHI 2012) rather than an exponential mean, which has one lag for all
speeds: one that calms a face at rest drags behind a face that turns, and the pasted face swims. Here the cut-off
rises with speed. Times are the film's own, so a variable frame rate and gaps need nothing special.
"""

import math
from typing import Any

import numpy as np

SPEED_HZ = 1.0  # cut-off of the speed itself, as in the paper


class OneEuro:
    """Filters a vector that changes with time; one cut-off for all its numbers, which move together.

    Args:
        rest_hz: cut-off of something at rest: the lower, the stiller.
        per_speed: what a speed of one unit a second adds to it: the higher, the closer behind.
    """

    def __init__(self, rest_hz: float, per_speed: float) -> None:
        self.rest_hz, self.per_speed = rest_hz, per_speed
        self.forget()

    def forget(self) -> None:
        """The next value is the first one."""
        self._value: np.ndarray | None = None
        self._speed: np.ndarray = np.zeros(0)
        self._seconds = 0.0

    def __call__(self, value: np.ndarray, seconds: float, unit: float = 1.0) -> np.ndarray:
        """The value at a time, filtered; of the same shape, float32.

        Args:
            value: of the same shape every time.
            seconds: later than the last time.
            unit: of length, in which speed is measured.
        """
        value = np.asarray(value, np.float64)
        if self._value is None:
            self._value, self._speed = value, np.zeros_like(value)
        else:
            passed = max(seconds - self._seconds, 1e-6)
            self._speed += _share(SPEED_HZ, passed) * ((value - self._value) / passed - self._speed)
            speed = float(np.sqrt(np.mean(self._speed**2))) / unit
            share = _share(self.rest_hz + self.per_speed * speed, passed)
            self._value = self._value + share * (value - self._value)
        self._seconds = seconds
        return self._value.astype(np.float32)

    def state(self) -> dict[str, Any]:
        """All that it remembers, as plain data."""
        value = None if self._value is None else self._value.tolist()
        return {"value": value, "speed": self._speed.tolist(), "seconds": self._seconds}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on as the filter that said this of itself."""
        self._value = None if state["value"] is None else np.array(state["value"])
        self._speed, self._seconds = np.array(state["speed"]), float(state["seconds"])


def _share(hz: float, passed: float) -> float:
    """How much of the way to a new value a low-pass of this cut-off goes in this time."""
    return 1 / (1 + 1 / (2 * math.pi * hz * passed))
