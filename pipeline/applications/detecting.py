"""`python -m pipeline detect-adversarial`: photographs that were changed so that I takes them for somebody else.

What I recognises is drawn: of an honest photograph the same face, of one that fools I somebody else's (Bao et al.
2018). The score is that of `evaluation/attacks.py`: the mean absolute difference of the two.
"""

import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from pipeline.applications.portraits import Portraits, check_named
from pipeline.applications.prepared import prepared
from pipeline.applications.recombine import opened
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.pairs import to_tensor
from pipeline.errors import UserError
from pipeline.metrics.verification import accepted, threshold_at
from pipeline.training.spread import chunks

log = logging.getLogger(__name__)

CALIBRATED = 4096  # honest photographs, at most; evenly chosen


class Calibration(NamedTuple):
    """From which score on a photograph is called suspicious."""

    threshold: float
    false_alarms: float  # the share of honest photographs that may be
    honest: int  # photographs by which it was chosen
    among: str  # where they are


def detect(photographs: Sequence[Path], false_alarms: float, honest: Path | None) -> dict[str, Any]:
    """A score and a decision for each photograph.

    Args:
        photographs: files, folders, or `-`.
        false_alarms: the share of honest photographs that may be called suspicious, above 0 and below 1.
        honest: a folder of photographs that nobody has tampered with; None: the prepared faces of the val split.

    Raises:
        UserError: a photograph shows no face, the model is missing, or there are too few honest photographs.
    """
    if not 0 < false_alarms < 1:
        raise UserError(f"detect-adversarial: --false-alarms should be above 0 and below 1 (got {false_alarms:g})")
    if honest and not honest.is_dir():
        raise UserError(f"{honest}: is no folder; --honest takes a folder of photographs that nobody has changed")
    check_named(photographs)
    model = opened()
    portraits = Portraits(model.cut)
    asked = [(portrait.name, portrait.face.image) for portrait in portraits.each(photographs)]
    if honest:
        shown = [portrait.face.image for portrait in portraits.each([honest])]
        calibration = calibrated(suspicion(model, np.stack(shown)), false_alarms, str(honest))
    else:
        calibration = calibrated(_of_prepared(model), false_alarms, "the val split of the prepared faces")
        if model.source == "rendered":
            log.warning("note: the threshold is of rendered heads; for photographs name honest ones with --honest")
    scores = suspicion(model, np.stack([image for _, image in asked]))
    decided = suspicious(scores, calibration)
    return {
        "model": model.fingerprint,
        "calibration": calibration._asdict(),
        "photographs": [
            {"photograph": name, "score": float(score), "suspicious": bool(yes)}
            for (name, _), score, yes in zip(asked, scores, decided, strict=True)
        ],
    }


def suspicion(model: FaceSynthesizer, images: np.ndarray) -> np.ndarray:
    """How far what I recognises is from what is there: float64 [B], 0 to 2, of aligned uint8 [B, S, S, 3]."""
    scores = []
    for part in chunks(images):
        x = to_tensor(part)
        drawn = model.synthesize(model.identity(x), model.attributes(x))
        scores.append((drawn - x).abs().double().mean((1, 2, 3)).numpy())
    return np.concatenate(scores)


def calibrated(scores: np.ndarray, false_alarms: float, among: str) -> Calibration:
    """The least threshold from which on at most that share of honest scores lies.

    Raises:
        UserError: there are too few to tell.
    """
    if len(scores) * false_alarms < 1:
        raise UserError(
            f"{among}: {len(scores)} honest photographs are too few for a false alarm rate of {false_alarms:g}, which "
            f"takes {math.ceil(1 / false_alarms)}: let --honest name a folder of more, or raise --false-alarms"
        )
    return Calibration(threshold_at(torch.from_numpy(scores), false_alarms), false_alarms, len(scores), among)


def suspicious(scores: np.ndarray, calibration: Calibration) -> np.ndarray:
    """The decisions, bool [B]."""
    return accepted(torch.from_numpy(scores), calibration.threshold).numpy()


def as_text(found: dict[str, Any]) -> str:
    """The table for a person."""
    c = found["calibration"]
    lines = [f"score   decision    photograph   (suspicious from {c['threshold']:.4f} on)"]
    for row in found["photographs"]:
        word = "suspicious" if row["suspicious"] else "honest"
        lines.append(f"{row['score']:.4f}  {word:<10}  {row['photograph']}")
    share = f"at most {100 * c['false_alarms']:g} % of {c['honest']} honest photographs ({c['among']}) lie there"
    return "\n".join([*lines, share])


def _of_prepared(model: FaceSynthesizer) -> np.ndarray:
    faces = prepared(model, "name a folder of honest photographs with --honest")
    rows = faces.of_split("val")
    chosen = rows[np.unique(np.linspace(0, len(rows) - 1, CALIBRATED).astype(int))]
    return np.concatenate([suspicion(model, faces.images(part)) for part in chunks(chosen)])
