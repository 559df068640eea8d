"""The evaluation of recombinations, metric by metric, by the protocol of the field (datasets/protocol.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.face_model import device
from pipeline.applications.judging import Court, known_attributes, visible
from pipeline.applications.retrieval import judged_gallery, labelled
from pipeline.datasets import heads
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.protocol import Protocol, grid
from pipeline.datasets.shards import Faces
from pipeline.datasets.true_answers import true_recombinations
from pipeline.judges.verdict import Verdict
from pipeline.metrics.attributes import MeanAttributeError, errors, unrelated_error
from pipeline.metrics.identity import IdentityRetrieval, retrieve
from pipeline.metrics.realism import INCEPTION_DIM, FrechetDistance, inception
from pipeline.metrics.truth import psnr, ssim
from pipeline.params import Synthesize


class Material(NamedTuple):
    """All that is compared."""

    faces: Faces  # real photographs
    people: Protocol  # of the test split
    outputs: np.ndarray  # synthesized faces, uint8 [B, S, S, 3]
    subject_rows: np.ndarray  # int64 [B], in `faces`
    sample_rows: np.ndarray  # int64 [B], in `faces`
    said: Verdict  # the judge, of `outputs`
    real_rows: np.ndarray  # int64 [N], the gallery, then the probes
    said_real: Verdict  # the judge, of `real_rows`


Column = dict[str, np.ndarray]  # name -> one number an output


def gather(court: Court, faces: Faces, people: Protocol, synthesized: Faces) -> Material:
    """Open everything and let the judge see it, once."""
    row_of = {key: row for row, key in enumerate(faces.column("key"))}
    subject, sample = (np.array([row_of[k] for k in synthesized.column(f"{who}_key")]) for who in ("subject", "sample"))
    outputs = synthesized.images(range(len(synthesized)))
    real = np.concatenate([*people.gallery, *people.probes])
    return Material(
        faces, people, outputs, subject, sample, court.judge(outputs), real, court.judge(faces.images(real))
    )


def identity(m: Material) -> tuple[dict[str, float], Column]:
    """`identity/*`: is it the subject, by nearest neighbour among real photographs."""
    shown, person_shown = labelled(m.people.gallery)
    _, person = labelled(m.people.probes)
    among, seen = judged_gallery(m.said_real.part(0, len(shown)), person_shown), m.said_real.part(len(shown))
    features, found = torch.from_numpy(m.said.features), torch.from_numpy(m.said.found)
    subject, sample = _people(m, m.subject_rows), _people(m, m.sample_rows)

    metric = IdentityRetrieval(among)
    metric.update(features, subject, found, sample)
    metric.update(torch.from_numpy(seen.features), person, torch.from_numpy(seen.found))
    values = {f"identity/{name}": float(value) for name, value in metric.compute().items()}
    rows = retrieve(features, subject, sample, found, among)
    return values, {f"identity/{name}": v.numpy().astype(np.float32) for name, v in rows._asdict().items()}


def attributes(court: Court, m: Material) -> tuple[dict[str, float], Column]:
    """`attributes/NAME_error` against the sample, and `_unrelated`, that of a random other real face."""
    known = known_attributes(m.faces, m.sample_rows) or court.judge(m.faces.images(m.sample_rows)).attributes
    found, real_found = torch.from_numpy(m.said.found), torch.from_numpy(m.said_real.found)
    person, sample_person = _people(m, m.real_rows), _people(m, m.sample_rows)
    values, columns = {}, {}
    for name, attribute in court.attributes.items():
        target, predicted = (torch.from_numpy(source[name]) for source in (known, m.said.attributes))
        counted = torch.from_numpy(visible(name, known))
        if not counted.any():
            continue  # of no sample is it known: not measured
        real = torch.from_numpy(m.said_real.attributes[name])
        target = target.nan_to_num()  # where it is not known it is not counted
        metric = MeanAttributeError(attribute)
        metric.update(predicted, target, found, counted)
        unrelated = unrelated_error(attribute, real, real_found, person, target, sample_person, counted)
        values[f"attributes/{name}_error"] = float(metric.compute())
        values[f"attributes/{name}_error_unrelated"] = float(unrelated)
        columns[f"attributes/{name}_error"] = errors(attribute, predicted, target, found).numpy()
    return values, columns


def true_grid(faces: Faces, people: Protocol, synthesize: Synthesize) -> np.ndarray | None:
    """The picture that `synthesize` makes, with the true answers in it; None where nobody knows them."""
    if not faces.has("identity_vector"):
        return None
    subjects, samples = grid(people, synthesize.grid_subjects, synthesize.grid_samples)
    rows = [[np.full_like(faces.image(0), 255), *faces.images(samples)]]
    for s in subjects:
        rows.append([faces.image(s), *true_recombinations(faces, np.repeat(s, len(samples)), samples)])
    return tiled(rows)


def truth(m: Material) -> tuple[dict[str, float], Column]:
    """`truth/*`: against the true recombination, pixel by pixel; nothing where nobody knows it."""
    if not m.faces.has("identity_vector"):
        return {}, {}
    true = true_recombinations(m.faces, m.subject_rows, m.sample_rows)
    images = [torch.from_numpy(x).permute(0, 3, 1, 2) for x in (m.outputs, true)]
    columns = {"truth/psnr": psnr(*images).numpy(), "truth/ssim": ssim(*images).numpy()}
    return {name: float(column.astype(np.float64).mean()) for name, column in columns.items()}, columns


def realism(m: Material, inception_weights: Path | None) -> dict[str, float]:
    """`realism/fd_judge` always, `realism/fid` with Inception's weights, and the numbers of images behind both.

    An image in which the judge finds no face stays in the set, with the zeros that the judge gives for it.
    """
    judged = FrechetDistance(m.said.features.shape[1])
    judged.update(torch.from_numpy(m.said.features), real=False)
    judged.update(torch.from_numpy(m.said_real.features), real=True)
    values = {"realism/fd_judge": float(judged.compute())}
    values |= {"realism/images": float(len(m.outputs)), "realism/images_real": float(len(m.real_rows))}
    if inception_weights is not None:
        features, fid = inception(inception_weights, device()), FrechetDistance(INCEPTION_DIM)
        for images, real in ((m.outputs, False), (m.faces.images(m.real_rows), True)):
            for start in range(0, len(images), 64):
                batch = torch.from_numpy(np.ascontiguousarray(images[start : start + 64])).permute(0, 3, 1, 2)
                fid.update(features(batch).cpu(), real=real)
        values["realism/fid"] = float(fid.compute())
    return values


def not_measured(values: Mapping[str, float]) -> dict[str, str]:
    """What the protocol names and `values` lacks, and why."""
    reasons = {
        "truth/psnr": "photographs have no true recombination to compare with",
        "truth/ssim": "photographs have no true recombination to compare with",
        "realism/fid": "evaluate.inception is off: `python -m pipeline fetch inception`, then set it to on",
        **{
            f"attributes/{d.name}_error": "no published network here estimates it on photographs"
            for d in heads.ATTRIBUTES
        },
    }
    return {name: reason for name, reason in reasons.items() if name not in values}


def cases(m: Material, columns: Column) -> list[dict[str, Any]]:
    """One row an output: who, and what each metric says of it."""
    names = m.faces.column("identity")
    rows = zip(names[m.subject_rows], names[m.sample_rows], m.said.found, strict=True)
    return [
        {"subject": s, "sample": a, "found": bool(f), **{name: float(c[i]) for name, c in columns.items()}}
        for i, (s, a, f) in enumerate(rows)
    ]


def _people(m: Material, rows: np.ndarray) -> Tensor:
    """Numbers of the people that these rows show, int64."""
    number = {name: i for i, name in enumerate(m.people.names)}
    names = m.faces.column("identity")
    return torch.tensor([number[names[row]] for row in rows])
