"""The judge of photographs: a face recogniser and a head pose estimator that others trained.

Neither they nor their training images took any part in training the generator.
"""

import sys
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from pipeline.errors import UserError
from pipeline.judges.verdict import Judge, Verdict

# Where face-reidentification-retail-0095 wants the five landmarks, as fractions of its 128 pixels.
RECOGNISER_TEMPLATE = np.array(
    [(0.31557, 0.46157), (0.68262, 0.46157), (0.50026, 0.64051), (0.34947, 0.82469), (0.65344, 0.82469)],
    dtype=np.float32,
)
RECOGNISER_SIZE = 128
FEATURES_DIM = 256

POSE_SIZE = 60
# Side of the square around the face, by the longer side of the detector's box. Of 0.9 to 1.4, and of boxes
# stretched to a square, this gave mirrored faces the most nearly mirrored angles (yaw: within 1.5 degrees).
POSE_MARGIN = 1.2
# Degrees -> output of the network. Yaw grows as the nose moves to the right in the image, roll as the head
# tilts clockwise in it.
ANGLES = {"yaw": "angle_y_fc", "pitch": "angle_p_fc", "roll": "angle_r_fc"}


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


def photo_judge(detect: Detect, warp: Warp, reidentification: Path, head_pose: Path) -> Judge:
    """Recognise and measure faces of photographs, and of images that should look like photographs.

    Attributes are yaw, pitch and roll in degrees. What is said of an image does not depend on its batch.

    Args:
        detect: finds faces and their landmarks.
        warp: cuts a square out of an image so that given points come to lie at given places.
        reidentification: face-reidentification-retail-0095.xml; the .bin file lies beside it.
        head_pose: head-pose-estimation-adas-0001.xml; the .bin file lies beside it.

    Raises:
        UserError: weights are missing or damaged.
    """
    recognise = recogniser(reidentification, warp, threads=2)
    estimator = _compile(head_pose, "head_pose", threads=2)

    def judge(images: np.ndarray) -> Verdict:
        features = np.zeros((len(images), FEATURES_DIM), dtype=np.float32)
        attributes = {angle: np.full(len(images), np.nan, dtype=np.float32) for angle in ANGLES}
        found = np.zeros(len(images), dtype=bool)
        for i, image in enumerate(images):
            face = _central(detect(image), image.shape[0])
            if face is None:
                continue
            found[i] = True
            features[i] = recognise(image, face.landmarks)
            angles = estimator(_blob(_head(image, face, warp)))
            for angle, output in ANGLES.items():
                attributes[angle][i] = angles[output].item()
        return Verdict(features, attributes, found)

    return judge


def recogniser(reidentification: Path, warp: Warp, threads: int = 1) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    """A face's features: (uint8 [H, W, 3] RGB, landmarks [5, 2]) -> float32 [FEATURES_DIM], compared by cosine.

    Raises:
        UserError: weights are missing or damaged.
    """
    network = _compile(reidentification, "reidentification", threads)

    def recognise(image: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
        aligned, _ = warp(image, landmarks, RECOGNISER_TEMPLATE, RECOGNISER_SIZE)
        return np.array(network(_blob(aligned))[0], np.float32).ravel()

    return recognise


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
    """Uint8 [S, S, 3] RGB as float32 [1, 3, S, S], BGR, 0..255: both networks normalise by themselves."""
    return np.ascontiguousarray(image[..., ::-1].transpose(2, 0, 1)[None], dtype=np.float32)


def _compile(xml: Path, asset: str, threads: int) -> Any:
    """A network on the CPU; in float32, because some processors would prefer a narrower format and differ."""
    for path in (xml, xml.with_suffix(".bin")):
        if not path.is_file():
            raise UserError(f"{path}: the network is not there; `python -m pipeline fetch {asset}` fetches it")
    settings = {"INFERENCE_PRECISION_HINT": "f32", "INFERENCE_NUM_THREADS": threads, "NUM_STREAMS": 1}
    try:
        return _core().compile_model(_core().read_model(xml), "CPU", settings)
    except RuntimeError:
        remedy = f"delete it and its .bin file and run `python -m pipeline fetch {asset}`"
        raise UserError(f"{xml}: not a readable network; {remedy}") from None


@cache
def _core() -> Any:
    """OpenVINO, kept from reporting its use to a server, which its telemetry package would do without asking.

    One for as long as the process lives. Each brings a stack for signals, and of two that go the second leaves the
    first one's behind, which is no more: the next signal that has a handler would be the end of the process.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino.Core()
