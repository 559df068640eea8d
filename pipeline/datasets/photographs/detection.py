"""Where the faces of a photograph are."""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple, cast

import cv2
import numpy as np

from pipeline.errors import UserError

# YuNet was made for faces of about 10 to 300 pixels. Enlarging a small picture up to four times lowers the
# landmarks' error, to less than half for faces of 12 to 16 pixels. One that fills 640 pixels is still found.
LARGEST_SIDE = 640
SMALLEST_SIDE = 320
MOST_ENLARGED = 4


class Detection(NamedTuple):
    """One face, in the pixels of the photograph."""

    box: np.ndarray  # float32 [4]: left, top, width, height; may reach beyond the photograph
    landmarks: np.ndarray  # float32 [5, 2]: eyes, nose tip, mouth corners, image left first
    score: float  # the detector's confidence, 0 to 1


Detector = Callable[[np.ndarray], list[Detection]]  # uint8 [H, W, 3] RGB -> faces, the largest first


def yunet(weights: Path, min_score: float) -> Detector:
    """The YuNet detector of the OpenCV Zoo.

    Raises:
        UserError: the weights are missing or damaged.
    """
    network = _network(weights, min_score)

    def detect(image: np.ndarray) -> list[Detection]:
        height, width = image.shape[:2]
        scale = _scale(max(height, width))
        size = (max(1, round(width * scale)), max(1, round(height * scale)))
        if size != (width, height):
            method = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
            image = np.asarray(cv2.resize(image, size, interpolation=method), dtype=np.uint8)
        network.setInputSize(size)
        # It reads BGR; OpenCV's types do not know that it returns None where there is no face.
        rows = cast("np.ndarray | None", network.detect(cv2.cvtColor(image, cv2.COLOR_RGB2BGR))[1])
        if rows is None:
            return []
        back = np.array([width / size[0], height / size[1]], dtype=np.float32)
        found = [_detection(np.asarray(row, dtype=np.float32), back) for row in rows if np.isfinite(row).all()]
        return sorted(found, key=lambda face: float(face.box[2] * face.box[3]), reverse=True)

    return detect


def _network(weights: Path, min_score: float) -> cv2.FaceDetectorYN:
    if not weights.is_file():
        raise UserError(f"{weights}: the detector is not there; `python -m pipeline fetch yunet` fetches it")
    level = cv2.utils.logging.getLogLevel()
    # OpenCV 5 warns at every load of a network that its new engine ignores the choice of a device.
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)
    try:
        network = cv2.FaceDetectorYN.create(
            str(weights), "", (SMALLEST_SIDE, SMALLEST_SIDE), score_threshold=min_score, nms_threshold=0.3
        )
        # Some damage shows only when the network runs.
        network.detect(np.zeros((SMALLEST_SIDE, SMALLEST_SIDE, 3), dtype=np.uint8))
    except cv2.error:
        raise UserError(
            f"{weights}: not a readable YuNet network; delete it and run `python -m pipeline fetch yunet`"
        ) from None
    finally:
        cv2.utils.logging.setLogLevel(level)
    return network


def _scale(side: int) -> float:
    """Factor for a photograph whose longer side is given."""
    if side > LARGEST_SIDE:
        return LARGEST_SIDE / side
    if side < SMALLEST_SIDE:
        return min(SMALLEST_SIDE / side, MOST_ENLARGED)
    return 1.0


def _detection(row: np.ndarray, back: np.ndarray) -> Detection:
    # Pixel centres are integers in both pictures, hence the halves.
    landmarks = (row[4:14].reshape(5, 2) + 0.5) * back - 0.5
    corner = (row[0:2] + 0.5) * back - 0.5
    return Detection(np.concatenate([corner, row[2:4] * back]), landmarks, float(row[14]))
