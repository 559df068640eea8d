"""model.json: what a program has to know of an exported model before it can use it. Needs nothing beyond Python.

The files beside it have fixed names, so nothing that it says can lead out of the folder.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, Self

from pipeline.errors import UserError

FILE = "model.json"
FORMAT = 1
GRAPHS = {  # file -> inputs => output; "x" is an image
    "identity.onnx": (("x",), "f_I"),
    "attributes.onnx": (("x",), "z"),
    "generator.onnx": (("f_I", "z"), "image"),
}
PIXELS = {
    "layout": "float32 [batch, 3, image_size, image_size], RGB",
    "low": -1.0,
    "high": 1.0,
    "from_levels": "level / 127.5 - 1",
}
LARGEST = 64 * 1024  # bytes of model.json
SIDES = (8, 1024)  # of an image, in pixels
CODES = (1, 4096)  # numbers of f_I and of z
HEX = set("0123456789abcdef")


class ModelError(UserError):
    """An exported folder is missing, damaged, of another version, or not what it says."""


class Description(NamedTuple):
    """What model.json says."""

    fingerprint: str  # of the weights
    notice: str  # what to say of the pictures that it makes
    source: str  # what it was trained on: "rendered", "photos", …
    image_size: int  # side of the images, in pixels
    margin: float  # of the frame that faces are cut out in; the template has it already
    choose: str  # of several faces in a photograph: "largest" or "central"
    template: tuple[tuple[float, float], ...]  # eyes, nose tip, mouth corners, image left first: fractions of the crop
    identity_dim: int
    attribute_dim: int
    opset: int
    files: dict[str, str]  # name -> sha256

    def text(self) -> str:
        """The file's content."""
        return json.dumps({"format": FORMAT, "pixels": PIXELS, **self._asdict()}, indent=2, sort_keys=True) + "\n"

    def shape(self, name: str) -> list[int]:
        """Of a tensor of the graphs, without the batch."""
        image = [3, self.image_size, self.image_size]
        return {"x": image, "image": image, "f_I": [self.identity_dim], "z": [self.attribute_dim]}[name]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """What `folder/model.json` says, with every type and size checked.

        Raises:
            ModelError: it is missing, of another version, or says what cannot be.
        """
        path = folder / FILE
        try:
            said = json.loads(content(path, LARGEST), parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise ModelError(f"{path}: is no JSON file of an exported model; {AGAIN}") from None
        found = said.get("format") if isinstance(said, dict) else None
        if type(found) is not int or found != FORMAT:
            raise ModelError(f"{path}: is of another version of Facet (format {found!r:.20}, not {FORMAT}); {AGAIN}")
        for name, (fits, wanted) in _RULES.items():
            if not fits(said.get(name)):
                raise ModelError(f"{path}: {name} should be {wanted} (got {said.get(name)!r:.40}); {AGAIN}")
        known = {name: said[name] for name in cls._fields}
        return cls(**known | {"template": tuple((float(x), float(y)) for x, y in said["template"])})


def fits(name: str, value: Any) -> bool:
    """Whether a value is one that a model may have by that name; also of what weights say of themselves."""
    return bool(_RULES[name][0](value))


AGAIN = "write the folder again with `python -m pipeline export`"


def content(path: Path, largest: int) -> bytes:
    """A file of the folder itself, of bounded size.

    Raises:
        ModelError: it is missing, no plain file, a link to elsewhere, or too large.
    """
    try:
        if path.resolve(strict=True).parent != path.parent.resolve() or not path.is_file():
            raise ModelError(f"{path}: is a link that leaves its folder, or no plain file; {AGAIN}")
        if path.stat().st_size > largest:
            raise ModelError(f"{path}: has more than {largest} bytes; {AGAIN}")
        return path.read_bytes()
    except FileNotFoundError:
        raise ModelError(f"{path} is not there; {AGAIN}") from None
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead to each other
        raise ModelError(f"{path}: cannot be read ({error}); {AGAIN}") from None


def _no_number(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _count(low: int, high: int) -> tuple[Any, str]:
    return lambda v: type(v) is int and low <= v <= high, f"a whole number from {low} to {high}"


def _number(value: Any, low: float, high: float) -> bool:
    return type(value) in (int, float) and low <= value <= high


def _words(value: Any) -> bool:
    return isinstance(value, str) and 0 < len(value) <= 200 and value.isprintable()


def _hexadecimal(value: Any, digits: int) -> bool:
    return isinstance(value, str) and len(value) == digits and set(value) <= HEX


def _points(value: Any) -> bool:
    if not isinstance(value, list) or len(value) != 5:
        return False
    pairs = all(isinstance(p, list) and len(p) == 2 and all(_number(v, -1, 2) for v in p) for p in value)
    return pairs and len({tuple(p) for p in value}) > 1


def _sums(value: Any) -> bool:
    return (
        isinstance(value, dict) and value.keys() == GRAPHS.keys() and all(_hexadecimal(v, 64) for v in value.values())
    )


_RULES = {
    "fingerprint": (lambda v: _hexadecimal(v, 16), "16 hexadecimal digits"),
    "notice": (_words, "a line of words"),
    "source": (_words, "a line of words"),
    "image_size": _count(*SIDES),
    "margin": (lambda v: _number(v, -0.5, 2), "a number from -0.5 to 2"),
    "choose": (lambda v: v in ("largest", "central"), "largest or central"),
    "template": (_points, "five points, fractions of the crop"),
    "identity_dim": _count(*CODES),
    "attribute_dim": _count(*CODES),
    "opset": _count(1, 100),
    "files": (_sums, "the sha256 of each graph"),
}
