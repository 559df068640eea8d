"""What a rendered head is described by: one vector for the person, one for the circumstances.

Every number has a name, a kind and a range. Shape numbers run over [-1, 1] with 0 the mean head; amounts run
over [0, 1]. Nothing of the person is in the attributes and nothing of the circumstances is in the identity,
so that `render(identity_s, attributes_a)` is the true recombination of any two heads.
"""

from typing import NamedTuple

import numpy as np


class Dimension(NamedTuple):
    name: str
    kind: str  # "continuous", "circular" or "binary"
    low: float
    high: float
    unit: str


def _shape(name: str) -> Dimension:
    return Dimension(name, "continuous", -1.0, 1.0, "deviation from the mean head")


def _amount(name: str) -> Dimension:
    return Dimension(name, "continuous", 0.0, 1.0, "amount")


SHAPE_NAMES = (
    "skull_width", "skull_height", "skull_depth", "jaw_width", "chin_length", "chin_protrusion",
    "cheekbones", "cheek_fullness", "forehead", "brow_ridge",
    "nose_length", "nose_width", "nose_bridge", "nose_tip",
    "eye_spacing", "eye_size", "eye_slant", "eye_depth", "lid_fold",
    "mouth_width", "upper_lip", "lower_lip", "ear_size", "neck_width",
    "brow_height", "brow_angle",
)  # fmt: skip

IDENTITY: tuple[Dimension, ...] = (
    *(_shape(name) for name in SHAPE_NAMES),
    *(_amount(name) for name in ("melanin", "undertone", "skin_texture", "freckles", "lip_color")),
    *(_shape(name) for name in ("mole_x", "mole_y")),
    *(_amount(name) for name in ("mole_size", "iris_color", "brow_thickness", "brow_darkness")),
    *(_amount(name) for name in ("hair_lightness", "hair_redness", "hair_grayness")),
    *(_amount(name) for name in ("hair_cover", "hair_volume", "hair_length", "hair_fringe", "hair_curl")),
    _shape("hair_part"),
    *(_amount(name) for name in ("hair_receding", "hair_bun", "beard", "moustache")),
)

ATTRIBUTES: tuple[Dimension, ...] = (
    Dimension("yaw", "continuous", -45.0, 45.0, "degrees, positive turns the face to the image's right"),
    Dimension("pitch", "continuous", -20.0, 20.0, "degrees, positive looks up"),
    Dimension("roll", "continuous", -10.0, 10.0, "degrees, positive turns clockwise in the image"),
    Dimension("smile", "continuous", -0.4, 1.0, "amount, negative is a frown"),
    _amount("mouth_open"),
    Dimension("brow_raise", "continuous", -1.0, 1.0, "amount, negative lowers the brows"),
    _amount("blink"),
    Dimension("gaze_x", "continuous", -1.0, 1.0, "of the reach of the eye, positive to the image's right"),
    Dimension("gaze_y", "continuous", -1.0, 1.0, "of the reach of the eye, positive up"),
    Dimension("light_azimuth", "continuous", -90.0, 90.0, "degrees, positive is light from the image's right"),
    Dimension("light_elevation", "continuous", -15.0, 60.0, "degrees, positive is light from above"),
    Dimension("light_warmth", "continuous", -1.0, 1.0, "cold to warm"),
    Dimension("ambience", "continuous", 0.0, 1.0, "share of light without direction"),
    Dimension("background_hue", "circular", 0.0, 360.0, "degrees"),
    _amount("background_saturation"),
    _amount("background_brightness"),
    Dimension("background_pattern", "continuous", 0.0, 1.0, "from plain wall over stripes and windows to foliage"),
    Dimension("background_angle", "circular", 0.0, 360.0, "degrees"),
    _amount("background_scale"),
    Dimension("background_phase", "circular", 0.0, 1.0, "turns; where the pattern begins"),
    Dimension("clothes_hue", "circular", 0.0, 360.0, "degrees"),
    _amount("clothes_brightness"),
    Dimension("glasses", "binary", 0.0, 1.0, "worn or not"),
)

_NEUTRAL_PERSON = {
    "melanin": 0.3, "undertone": 0.5, "skin_texture": 0.3, "lip_color": 0.5, "freckles": 0.1,
    "mole_size": 0.3, "iris_color": 0.3, "brow_thickness": 0.5, "brow_darkness": 0.6,
    "hair_lightness": 0.35, "hair_redness": 0.3, "hair_cover": 1.0, "hair_volume": 0.3,
    "hair_length": 0.15, "hair_fringe": 0.3, "hair_part": 0.3,
    "mole_x": 0.5, "mole_y": -0.2, "beard": 0.1, "moustache": 0.1,
}  # fmt: skip

_NEUTRAL_CIRCUMSTANCES = {
    "light_azimuth": 25.0, "light_elevation": 30.0, "ambience": 0.5, "background_hue": 210.0,
    "background_saturation": 0.3, "background_brightness": 0.5, "background_scale": 0.5,
    "background_pattern": 0.4, "clothes_hue": 220.0, "clothes_brightness": 0.4,
}  # fmt: skip

# cover, volume, length, fringe, curl, receding, bun: centre of each style; the samples scatter around them.
_STYLES = {
    "bald": (0.00, 0.00, 0.00, 0.00, 0.10, 0.80, 0.0),
    "buzz": (0.75, 0.00, 0.05, 0.05, 0.15, 0.30, 0.0),
    "short": (1.00, 0.30, 0.12, 0.15, 0.15, 0.25, 0.0),
    "quiff": (1.00, 0.70, 0.10, 0.05, 0.20, 0.20, 0.0),
    "fringe": (1.00, 0.35, 0.30, 0.95, 0.10, 0.00, 0.0),
    "side part": (1.00, 0.45, 0.20, 0.50, 0.10, 0.10, 0.0),
    "bob": (1.00, 0.40, 0.62, 0.60, 0.15, 0.00, 0.0),
    "long": (1.00, 0.40, 0.98, 0.25, 0.25, 0.05, 0.0),
    "curly": (1.00, 0.75, 0.50, 0.35, 0.85, 0.05, 0.0),
    "afro": (1.00, 1.00, 0.36, 0.15, 1.00, 0.05, 0.0),
    "bun": (1.00, 0.15, 0.12, 0.10, 0.15, 0.05, 1.0),
}
_STYLE_NUMBERS = (
    "hair_cover",
    "hair_volume",
    "hair_length",
    "hair_fringe",
    "hair_curl",
    "hair_receding",
    "hair_bun",
)
_STYLE_SCATTER = np.array([0.0, 0.09, 0.05, 0.09, 0.08, 0.08, 0.0])


def neutral_identity() -> np.ndarray:
    """The mean head of a definite person, float32 [len(IDENTITY)]."""
    return np.array([_NEUTRAL_PERSON.get(d.name, 0.0) for d in IDENTITY], np.float32)


def neutral_attributes() -> np.ndarray:
    """A frontal head without expression in plain light, float32 [len(ATTRIBUTES)]."""
    return np.array([_NEUTRAL_CIRCUMSTANCES.get(d.name, 0.0) for d in ATTRIBUTES], np.float32)


def named(values: np.ndarray, dimensions: tuple[Dimension, ...]) -> dict[str, float]:
    """The vector as numbers by name.

    Raises:
        ValueError: The vector has another length than `dimensions`.
    """
    if values.shape != (len(dimensions),):
        raise ValueError(f"expected a vector of {len(dimensions)} numbers, got shape {values.shape}")
    return {d.name: float(v) for d, v in zip(dimensions, values, strict=True)}


def _vector(by_name: dict[str, float], dimensions: tuple[Dimension, ...]) -> np.ndarray:
    return np.array([np.clip(by_name[d.name], d.low, d.high) for d in dimensions], np.float32)


def _sample_hair(rng: np.random.Generator) -> dict[str, float]:
    style = list(_STYLES.values())[rng.integers(len(_STYLES))]
    numbers = np.clip(np.array(style) + _STYLE_SCATTER * rng.standard_normal(len(style)), 0.0, 1.0)
    return dict(zip(_STYLE_NUMBERS, numbers.tolist(), strict=True))


def sample_identity(rng: np.random.Generator) -> np.ndarray:
    """A person, float32 [len(IDENTITY)].

    Shapes are uniform, which tells people apart better than a bell would. Hair and eyes are lighter in people
    with little melanin, except for the few who dye or inherit otherwise; hair comes in styles; about half the
    people have no beard.
    """
    person = {d.name: float(rng.uniform(d.low, d.high)) for d in IDENTITY}
    melanin = person["melanin"]
    fair = min(1.0, 1.4 * (1.0 - melanin)) if rng.uniform() < 0.94 else 1.0
    person["hair_lightness"] *= fair
    person["hair_redness"] *= fair
    person["hair_grayness"] = float(rng.uniform(0.4, 1.0)) if rng.uniform() < 0.2 else 0.0
    person["iris_color"] *= fair**0.7
    person["freckles"] = max(0.0, 1.6 * person["freckles"] - 0.6)
    person["mole_size"] = max(0.0, 1.5 * person["mole_size"] - 0.5)
    person.update(_sample_hair(rng))
    for name in ("beard", "moustache"):
        person[name] = 0.0 if rng.uniform() < 0.25 else person[name]
    if rng.uniform() < 0.45:
        person["beard"] = person["moustache"] = 0.0
    return _vector(person, IDENTITY)


def sample_attributes(rng: np.random.Generator) -> np.ndarray:
    """Circumstances, float32 [len(ATTRIBUTES)].

    Yaw, light and background are uniform. Half the mouths are closed, most eyes are open, one head in six
    wears glasses.
    """
    scene = {d.name: float(rng.uniform(d.low, d.high)) for d in ATTRIBUTES}
    scene["mouth_open"] = 0.0 if rng.uniform() < 0.5 else scene["mouth_open"]
    scene["blink"] = float(rng.uniform(0.7, 1.0)) if rng.uniform() < 0.12 else 0.35 * scene["blink"]
    scene["glasses"] = float(rng.uniform() < 1 / 6)
    return _vector(scene, ATTRIBUTES)
