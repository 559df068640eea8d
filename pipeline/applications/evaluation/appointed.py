"""Whose word counts: the judge's own, another recogniser's, or by name the generator's, and then the keys say so."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

import numpy as np

from pipeline.applications.export import description
from pipeline.applications.face_model import FaceModel
from pipeline.applications.judging import Court, of_photographs, refuse_a_part_of_the_method
from pipeline.errors import UserError
from pipeline.judges.verdict import Judge, Verdict
from pipeline.params import Data, Evaluate

OUR_OWN, ITS_OWN = "judge", "I"  # of evaluate.recogniser, beside paths
T = TypeVar("T")

# What follows from features; of the realism, all that is not Inception's or a count.
BY_FEATURES = (
    *("identity/", "closed_set/", "memorisation/", "truth/feature_distance"),
    *(f"realism/{name}" for name in ("fd_judge", "kd_judge", "precision", "recall", "density", "coverage")),
    *(f"applications/{name}" for name in ("frontalization_top1", "morphing_drift", "performance_likeness")),
)


def check(evaluate: Evaluate, data: Data) -> None:
    """Raises UserError where evaluate.recogniser names a file that is missing, took part, or is for other data."""
    file = named_file(evaluate)
    if file is None:
        return
    if data.source == ("rendered",):
        raise UserError(
            f"evaluate.recogniser: {file} is a network of photographs, and data.source is rendered; set it to {OUR_OWN}"
        )
    refuse_a_part_of_the_method(file)
    refuse_exported(file)
    if not file.is_file():
        raise UserError(f"evaluate.recogniser: {file} is not there; name an ONNX file, or set it to {OUR_OWN}")


def refuse_exported(file: Path) -> None:
    """Raises UserError for a network that lies in a folder of `export`: it is a part of a generator."""
    if (file.resolve().parent / description.FILE).is_file():
        raise UserError(
            f"{file}: is a part of an exported generator, and pleases that one; name a network that took no part in "
            "training it, or set evaluate.recogniser to I: then every key says so"
        )


def named_file(evaluate: Evaluate) -> Path | None:
    """The recogniser that evaluate.recogniser names by its path."""
    return None if evaluate.recogniser in (OUR_OWN, ITS_OWN) else Path(evaluate.recogniser)


def appointed(court: Court, evaluate: Evaluate, data: Data, network: FaceModel | None) -> Court:
    """The judge that evaluate.recogniser asks for, where the stage's own is `court`.

    Raises:
        UserError: there is none such for this data or method, or it took part in training the generator.
        AssetError: a published network is missing or damaged.
    """
    check(evaluate, data)
    file = named_file(evaluate)
    if file:
        return of_photographs(data.detection.min_score, file, evaluate.template)
    if evaluate.recogniser == OUR_OWN:
        return court
    if network is None:
        raise UserError(f"evaluate.recogniser: CVAE-GAN has no {ITS_OWN}; set it to {OUR_OWN}")
    recogniser = court.recogniser and _with_features(court.recogniser, network)
    return Court(_with_features(court.judge, network), court.attributes, ITS_OWN, recogniser)


def _with_features(judge: Judge, network: FaceModel) -> Judge:
    """The same, but what it says of who it is comes from the method's own I."""

    def said(images: np.ndarray) -> Verdict:
        verdict = judge(images)
        features = network.identity(images)
        features[~verdict.found] = 0
        return verdict._replace(features=features)

    return said


def named(values: Mapping[str, T], court: Court) -> dict[str, T]:
    """The same; where a part of the method said who it is, each key that follows from that ends in `_by_I`."""
    by = f"_by_{court.took_part}" if court.took_part else ""
    return {f"{key}{by}" if key.startswith(BY_FEATURES) else key: value for key, value in values.items()}
