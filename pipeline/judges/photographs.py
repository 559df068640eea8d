"""The judge of photographs: a face recogniser and a head pose estimator that others trained, and five points.

Neither they nor their training images took any part in training the generator.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.errors import UserError
from pipeline.judges.verdict import Judge, Verdict

# Where recognisers want the five landmarks, as fractions of their image. The first is that of
# face-reidentification-retail-0095; the second that of insightface, its pixels of 112 counted from their corners.
TEMPLATES: dict[str, np.ndarray] = {
    "reidentification": np.array(
        [(0.31557, 0.46157), (0.68262, 0.46157), (0.50026, 0.64051), (0.34947, 0.82469), (0.65344, 0.82469)], np.float32
    ),
    "arcface": np.array(
        [(38.7946, 52.1963), (74.0318, 52.0014), (56.5252, 72.2366), (42.0493, 92.8655), (71.2299, 92.7041)], np.float32
    )
    / 112,
}
ARCFACE_SIZE = 112  # pixels, where a network takes any

POSE_SIZE = 60
# Side of the square around the face, by the longer side of the detector's box. Of 0.9 to 1.4, and of boxes
# stretched to a square, this gave mirrored faces the most nearly mirrored angles (yaw: within 1.5 degrees).
POSE_MARGIN = 1.2
# Degrees -> output of the network. Yaw grows as the nose moves to the right in the image, roll as the head
# tilts clockwise in it.
ANGLES = {"yaw": "angle_y_fc", "pitch": "angle_p_fc", "roll": "angle_r_fc"}
# What the judge says of a photograph -> the range in which that lies: degrees, and shares of the distance of the eyes.
RANGES = dict.fromkeys(ANGLES, (-90.0, 90.0)) | {
    "five_points_mouth_width": (0.0, 2.0),
    "five_points_mouth_drop": (0.0, 2.0),
}


class Found(Protocol):
    """A detected face, in the pixels of the image."""

    @property
    def box(self) -> np.ndarray: ...  # float32 [4]: left, top, width, height

    @property
    def landmarks(self) -> np.ndarray: ...  # float32 [5, 2]


# uint8 [H, W, 3] RGB, as small as the crops are -> faces, the largest first
Detect = Callable[[np.ndarray], Sequence[Found]]
# (image, points [N, 2], where they belong as fractions of a square, its side) -> (square, points in it)
Warp = Callable[[np.ndarray, np.ndarray, np.ndarray, int], tuple[np.ndarray, np.ndarray]]


class Recogniser:
    """A network that others trained, ready to be asked.

    Args:
        network: compiled; takes float32 [1, 3, S, S], gives d numbers.
        template: to which its faces are aligned, fractions [5, 2].
        warp: cuts a square out of an image so that given points come to lie at given places.
        prepare: uint8 [S, S, 3] RGB -> what the network takes.
    """

    def __init__(self, network: Any, template: np.ndarray, warp: Warp, prepare: Callable[[np.ndarray], np.ndarray]):
        self.network, self.template, self.warp, self.prepare = network, template, warp, prepare
        self.side = int(network.input(0).shape[3])
        self.dim = int(np.prod(network.output(0).shape))

    def __call__(self, image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        """A face's features: (uint8 [H, W, 3] RGB, float32 [5, 2] pixels) -> float32 [dim], compared by cosine."""
        aligned, _ = self.warp(image, landmarks, self.template, self.side)
        return np.array(self.network(self.prepare(aligned))[0], np.float32).ravel()


def photo_judge(detect: Detect, recognise: Recogniser, head_pose: Path) -> Judge:
    """Recognise and measure faces of photographs, and of images that should look like photographs.

    Attributes are yaw, pitch and roll in degrees, and `expression`. What is said of an image does not depend on its
    batch.

    Args:
        detect: finds faces and their landmarks.
        recognise: says who it is.
        head_pose: head-pose-estimation-adas-0001.xml; the .bin file lies beside it.

    Raises:
        UserError: weights are missing or damaged.
    """
    estimator = _compile(head_pose, "head_pose", threads=2)

    def judge(images: np.ndarray) -> Verdict:
        features = np.zeros((len(images), recognise.dim), dtype=np.float32)
        attributes = {name: np.full(len(images), np.nan, dtype=np.float32) for name in RANGES}
        found = np.zeros(len(images), dtype=bool)
        for i, image in enumerate(images):
            face = _central(detect(image), image.shape[0])
            if face is None:
                continue
            found[i] = True
            features[i] = recognise(image, face.landmarks)
            angles = estimator(_blob(_head(image, face, recognise.warp)))
            measured = {angle: angles[output].item() for angle, output in ANGLES.items()} | expression(face.landmarks)
            for name, value in measured.items():
                attributes[name][i] = value
        return Verdict(features, attributes, found)

    return judge


def expression(landmarks: np.ndarray) -> dict[str, float]:
    """What five points tell of a mouth, in distances of the eyes: its width, and how far below the nose it ends.

    A smile widens it and lifts the corners. So does a face that is built so: it says something of two images of one
    sample's expression, and little of anybody's mood. Not a number beyond RANGES.
    """
    left, right, nose, *corners = np.asarray(landmarks, np.float64)
    across = right - left
    eyes = max(float(np.hypot(*across)), 1e-6)
    down = np.array([-across[1], across[0]]) / eyes
    width = float(np.hypot(*(corners[1] - corners[0]))) / eyes
    drop = float((sum(corners) / 2 - nose) @ down) / eyes
    return {
        "five_points_mouth_width": float(np.clip(width, *RANGES["five_points_mouth_width"])),
        "five_points_mouth_drop": float(np.clip(drop, *RANGES["five_points_mouth_drop"])),
    }


def recogniser(reidentification: Path, warp: Warp, threads: int = 1) -> Recogniser:
    """Of face-reidentification-retail-0095.xml; the .bin file lies beside it.

    Raises:
        UserError: weights are missing or damaged.
    """
    network = _compile(reidentification, "reidentification", threads)
    return Recogniser(network, TEMPLATES["reidentification"], warp, _blob)


def onnx_recogniser(path: Path, template: str, warp: Warp, threads: int = 1) -> Recogniser:
    """Of an ONNX file as insightface makes them: RGB in [-1, 1], unless its first nodes do that themselves.

    Args:
        path: the file.
        template: of TEMPLATES, to which its faces were aligned.
        warp: cuts a square out of an image so that given points come to lie at given places.
        threads: of the processor.

    Raises:
        UserError: it is missing, no ONNX file, or takes or gives something else than one face and its features.
    """
    with _readable(path, "name an ONNX file of a face recogniser"):
        model = _core().read_model(path)
        _take_one_face(model)
        prepare = _blob_rgb if _normalises(model) else _blob_units
        network = _compiled(model, threads)
    return Recogniser(network, TEMPLATES[template], warp, prepare)


def _take_one_face(model: Any) -> None:
    """Leave nothing open of the shape that a network takes.

    Raises:
        ValueError: it takes something else than a colour image, or gives something else than a row of features.
    """
    shape = model.input(0).partial_shape
    _, channels, *sides = (d.get_length() if d.is_static else None for d in shape)
    height, width = (side or ARCFACE_SIZE for side in sides)
    if channels not in (3, None) or height != width:
        raise ValueError(f"takes {shape}")
    model.reshape([1, 3, height, width])
    if len(model.output(0).shape) != 2:
        raise ValueError(f"gives {model.output(0).shape}")


def _normalises(model: Any) -> bool:
    """Whether it begins with a difference and a product, as networks do that take 0 to 255."""
    kinds = [op.get_type_name() for op in model.get_ordered_ops()]
    first = [kind for kind in kinds if kind not in ("Parameter", "Constant", "Convert")][:4]
    return "Subtract" in first and bool({"Multiply", "Divide"} & set(first))


def _central(faces: Sequence[Found], image_size: int) -> Found | None:
    """The largest face that covers the middle of the crop; one in a corner is not what the crop shows."""
    middle = image_size / 2
    for face in faces:
        left, top, width, height = face.box
        if left <= middle <= left + width and top <= middle <= top + height:
            return face
    return None


def _head(image: np.ndarray, face: Found, warp: Warp) -> np.ndarray:
    """A square around the face, as the estimator was made for; stretching the box would change the angles."""
    left, top, width, height = face.box
    middle = np.array([left + width / 2, top + height / 2])
    half = POSE_MARGIN * max(width, height) / 2
    corners = np.array([(-1, -1), (1, -1), (-1, 1), (1, 1)])
    return warp(image, middle + half * corners, (corners + 1) / 2, POSE_SIZE)[0]


def _blob(image: np.ndarray) -> np.ndarray:
    """Uint8 [S, S, 3] RGB as float32 [1, 3, S, S], BGR, 0..255: Open Model Zoo's networks normalise by themselves."""
    return _blob_rgb(image[..., ::-1])


def _blob_rgb(image: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(image.transpose(2, 0, 1)[None], dtype=np.float32)


def _blob_units(image: np.ndarray) -> np.ndarray:
    return _blob_rgb(image) / 127.5 - 1


def _compile(xml: Path, asset: str, threads: int) -> Any:
    """One of the published networks."""
    remedy = f"`python -m pipeline fetch {asset}` fetches it"
    with _readable(xml, remedy, xml.with_suffix(".bin")):
        return _compiled(_core().read_model(xml), threads)


@contextmanager
def _readable(path: Path, remedy: str, *others: Path) -> Iterator[None]:
    """Say in a sentence what is missing or damaged."""
    for file in (path, *others):
        if not file.is_file():
            raise UserError(f"{file}: the network is not there; {remedy}")
    try:
        yield
    except (RuntimeError, ValueError):
        raise UserError(f"{path}: not a readable network of this kind; delete it, and {remedy}") from None


def _compiled(model: Any, threads: int) -> Any:
    """On the CPU; in float32, because some processors would prefer a narrower format and differ."""
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    return _core().compile_model(model, "CPU", settings)


@cache
def _core() -> Any:
    """OpenVINO, kept from reporting its use to a server, which its telemetry package would do without asking.

    One for as long as the process lives. Each brings a stack for signals, and of two that go the second leaves the
    first one's behind, which is no more: the next signal that has a handler would be the end of the process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()
