"""The judge of each kind of data: a network of our own for rendered heads, published ones for photographs."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from pipeline import assets, paths
from pipeline.applications.retrieval import GALLERY, judged, top1_real
from pipeline.datasets import heads
from pipeline.datasets.photographs.alignment import warp
from pipeline.datasets.photographs.detection import yunet
from pipeline.datasets.protocol import protocol
from pipeline.datasets.shards import Faces
from pipeline.errors import UserError
from pipeline.judges.photographs import RANGES, onnx_recogniser, photo_judge, recogniser
from pipeline.judges.scales import outputs, places
from pipeline.judges.trained import trained_judge, trained_recogniser
from pipeline.judges.verdict import Judge
from pipeline.metrics.attributes import Attribute, errors, mean_error
from pipeline.networks import Closeup, JudgeNetwork
from pipeline.params import Data
from pipeline.params import Judge as JudgeParams
from pipeline.training import weights
from pipeline.training.devices import device

RECOGNISER = "reidentification"
PUBLISHED = ("yunet", RECOGNISER, "head_pose")
CLOSEUPS = {  # attributes that a few pixels show -> the landmarks around which, and the part's width and height
    ("brow_raise", "blink", "gaze_x", "gaze_y"): ((0, 1), 0.69, 0.4),
    ("smile", "mouth_open"): ((3, 4), 0.56, 0.375),
}
EYES_CLOSED = 0.5  # from this blink on


class Court(NamedTuple):
    """A judge, and what it can say of a face beside whose it is."""

    judge: Judge
    attributes: dict[str, Attribute]
    took_part: str = ""  # the network of the method that says who it is; every key of what follows from that names it
    recogniser: Judge | None = None  # who says no more than whose face it is, and is quicker

    @property
    def recognise(self) -> Judge:
        """Whose word is enough where nobody asks for attributes; they may be missing from it."""
        return self.recogniser or self.judge

    @property
    def copied(self) -> bool:
        """Whether a copy of this process may ask it: OpenVINO's threads, which published networks have, are not."""
        return self.recogniser is not None


def load(data: Data, judge: JudgeParams, folder: Path) -> Court:
    """The judge that `judge_making.make` left in `folder`.

    Raises:
        WeightsError: it is missing, damaged or of another shape than params.
        AssetError: a published network is missing or damaged.
    """
    if data.source != ("rendered",):
        return of_photographs(data.detection.min_score)
    how = "dvc repro judge"
    network = network_of(data, judge, int(weights.facts(folder, how)["identities"]))
    weights.load(folder, {"judge": network}, how)
    known = {d.name: Attribute(d.kind, d.low, d.high) for d in heads.ATTRIBUTES}  # type: ignore[arg-type]
    # Convolutions of this layout take a fifth less time.
    network = network.to(device=device(), memory_format=torch.channels_last)  # type: ignore[call-overload]
    return Court(trained_judge(network, heads.ATTRIBUTES), known, recogniser=trained_recogniser(network))


def of_photographs(min_score: float, onnx: Path | None = None, template: str = "arcface") -> Court:
    """The published networks, or another recogniser with the other two.

    Args:
        min_score: of a detection.
        onnx: a recogniser, whose faces are aligned to `template`.
        template: of judges/photographs.py.

    Raises:
        UserError: that recogniser is missing or is none, or took part in training the generator.
        AssetError: a published network is missing or damaged.
    """
    if onnx:
        refuse_a_part_of_the_method(onnx)
    wanted = [name for name in PUBLISHED if not (onnx and name == RECOGNISER)]
    files = {name: assets.locate(name).path for name in wanted}
    if onnx:
        recognise = onnx_recogniser(onnx, template, warp, threads=2)
    else:
        recognise = recogniser(files[RECOGNISER], warp, threads=2)
    judge = photo_judge(yunet(files["yunet"], min_score), recognise, files["head_pose"])
    return Court(judge, {name: Attribute("continuous", *bounds) for name, bounds in RANGES.items()})


def refuse_a_part_of_the_method(path: Path) -> None:
    """Raises UserError for a file of the networks that `pretrain` or `train` wrote."""
    for folder in (paths.RECOGNISER, paths.MODEL):
        if folder.resolve() in path.resolve().parents:
            raise UserError(
                f"{path}: took part in training the generator, which pleases it; name a network that did not, or set "
                "evaluate.recogniser to I: then every key says so"
            )


def network_of(data: Data, judge: JudgeParams, identities: int) -> JudgeNetwork:
    """The judge of rendered heads with fresh weights."""
    place = places(heads.ATTRIBUTES)
    closeups = [Closeup(*where, tuple(i for name in names for i in place[name])) for names, where in CLOSEUPS.items()]
    sizes = (judge.width, judge.features_dim, identities, outputs(heads.ATTRIBUTES))
    return JudgeNetwork(data.image_size, *sizes, closeups)


def known_attributes(faces: Faces, rows: np.ndarray) -> dict[str, np.ndarray]:
    """Name -> float32 [n], the true attributes of rendered heads; empty for photographs."""
    if not faces.has("attribute_vector", rows):
        return {}
    vectors = faces.column("attribute_vector", rows)
    return {d.name: vectors[:, i] for i, d in enumerate(heads.ATTRIBUTES)}


def visible(name: str, known: Mapping[str, np.ndarray]) -> np.ndarray:
    """Where an attribute can be seen at all, bool [n]: a gaze not behind closed lids, none where it is not known."""
    if name.startswith("gaze"):
        return known["blink"] < EYES_CLOSED
    return np.isfinite(known[name])


def scores(court: Court, faces: Faces, split: str) -> dict[str, float]:
    """What the judge itself can do on people it does not know: the ceiling of every number it gives.

    All processes judge where no fit came before; the first alone returns.
    """
    rows, people = faces.of_split(split), protocol(faces, split, GALLERY)
    verdict = judged(court.judge, faces, rows)
    values = {"judge/top1_val": top1_real(verdict.part(np.searchsorted(rows, people.rows)), people)}
    known = known_attributes(faces, rows)
    for name in known:
        target, found = torch.from_numpy(known[name]), torch.from_numpy(verdict.found)
        error = errors(court.attributes[name], torch.from_numpy(verdict.attributes[name]), target, found)
        counted = torch.from_numpy(visible(name, known))
        values[f"judge/{name}_error"] = float(mean_error(court.attributes[name], error, target, counted))
    return values
