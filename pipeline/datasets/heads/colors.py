"""Colours in linear light, whose square roots are displayed, as a person's numbers ask for them."""

import numpy as np

_SKIN_AT = (0.0, 0.3, 0.55, 0.78, 1.0)
_SKIN = np.array([(0.98, 0.84, 0.77), (0.90, 0.70, 0.57), (0.69, 0.48, 0.35), (0.46, 0.29, 0.20), (0.25, 0.16, 0.12)])
_IRIS_AT = (0.0, 0.25, 0.45, 0.6, 0.8, 1.0)
_IRIS = np.array([(0.25, 0.15, 0.09), (0.38, 0.21, 0.1), (0.5, 0.4, 0.18), (0.36, 0.5, 0.32),
                  (0.33, 0.5, 0.68), (0.58, 0.66, 0.72)])  # fmt: skip

_BROWN_AT = (0.0, 0.35, 0.7, 1.0)
_BROWN = np.array([(0.09, 0.075, 0.07), (0.33, 0.21, 0.13), (0.68, 0.5, 0.28), (0.93, 0.82, 0.56)])
_RED_AT = (0.0, 0.5, 1.0)
_RED = np.array([(0.16, 0.06, 0.05), (0.62, 0.24, 0.1), (0.95, 0.55, 0.25)])


def _ramp(value: float, knots: tuple[float, ...], colours: np.ndarray) -> np.ndarray:
    """The colour at `value` between the `knots`' colours [K, 3], float32 [3]."""
    return np.array([np.interp(value, knots, channel) for channel in colours.T], np.float32)


def skin_color(p: dict[str, float]) -> np.ndarray:
    """Melanin from the lightest to the darkest skin, undertone from rosy to olive, linear, float32 [3]."""
    under = 2 * p["undertone"] - 1
    tone = _ramp(p["melanin"], _SKIN_AT, _SKIN) * np.array([1 - 0.03 * under, 1 + 0.025 * under, 1 - 0.055 * under])
    return np.clip(tone, 0, 1).astype(np.float32) ** 2


def hair_color(p: dict[str, float]) -> np.ndarray:
    """Black over brown to blond, with red and grey, linear, float32 [3]."""
    light = p["hair_lightness"]
    brown = _ramp(light, _BROWN_AT, _BROWN)
    red = _ramp(light, _RED_AT, _RED)
    tone = brown + p["hair_redness"] ** 2.5 * 0.95 * (red - brown)
    gray = np.array([0.74, 0.74, 0.76])
    return ((tone + 0.85 * p["hair_grayness"] * (gray - tone)).astype(np.float32)) ** 2


def iris_color(p: dict[str, float]) -> np.ndarray:
    """Brown over hazel and green to blue and grey, linear, float32 [3]."""
    return _ramp(p["iris_color"], _IRIS_AT, _IRIS) ** 2


def hue_to_rgb(degrees: float, saturation: float, value: float) -> np.ndarray:
    """A colour in [0, 1], float32 [3]."""
    shift = (np.array([0.0, 4.0, 2.0]) + degrees / 60.0) % 6.0
    ramp = np.clip(np.abs(shift - 3.0) - 1.0, 0.0, 1.0)
    return (value * (1.0 - saturation + saturation * ramp)).astype(np.float32)


def clothes_color(a: dict[str, float]) -> np.ndarray:
    return hue_to_rgb(a["clothes_hue"], 0.45, 0.15 + 0.75 * a["clothes_brightness"]) ** 2
