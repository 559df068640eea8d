"""The evaluation of synthesized faces, metric by metric, by the protocol of the field (datasets/protocol.py)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.judging import Court, known_attributes, visible
from pipeline.applications.retrieval import judged_gallery, labelled
from pipeline.datasets import heads
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.protocol import Protocol, grid
from pipeline.datasets.shards import Faces
from pipeline.datasets.true_answers import true_recombinations
from pipeline.judges.verdict import Verdict, joined
from pipeline.metrics.attributes import MeanAttributeError, errors, unrelated_error
from pipeline.metrics.identity import Gallery, IdentityRetrieval, found_first, retrieve
from pipeline.metrics.realism import INCEPTION_DIM, FrechetDistance, inception
from pipeline.metrics.truth import psnr, ssim
from pipeline.params import Synthesize
from pipeline.training.devices import device
from pipeline.training.spread import chunks, spread

Column = dict[str, np.ndarray]  # name -> one number an output


class Material(NamedTuple):
    """All that is compared."""

    faces: Faces  # real photographs
    people: Protocol  # whom they may show
    subject_rows: np.ndarray  # int64 [B], in `faces`: whom each synthesized face should show
    sample_rows: np.ndarray  # int64 [B], in `faces`: and how; [0] where no sample was asked
    said: Verdict  # the judge, of the synthesized faces
    said_real: Verdict  # the judge, of the photographs `people.rows`
    truth: Column  # how near each is to the true recombination; empty where nobody knows it
    fid: FrechetDistance | None  # between Inception's features of both; None without it


class Look(NamedTuple):
    """What a process finds in a part of the images."""

    said: Verdict
    truth: Column
    inception: Tensor | None  # float32 [B, 2048]


def gather(
    court: Court, faces: Faces, people: Protocol, synthesized: Faces, inception_weights: Path | None
) -> Material:
    """Look at every image once, with all processes; the first alone returns."""
    row_of = {key: row for row, key in enumerate(faces.column("key"))}
    every = np.arange(len(synthesized))
    whose = ["subject_key", *(["sample_key"] if synthesized.has("sample_key", every) else [])]
    subject, *others = (np.array([row_of[key] for key in synthesized.column(name)]) for name in whose)
    sample = others[0] if others else np.zeros(0, np.int64)
    outputs, real = chunks(every), chunks(people.rows)
    mean = mean_face(faces, people.rows) if known_truth(faces, subject, sample) else None
    features = inception(inception_weights, device()) if inception_weights else None
    fid = FrechetDistance(INCEPTION_DIM) if inception_weights else None

    def look(part: int) -> Look:
        if part < len(outputs):
            rows = outputs[part]
            images = synthesized.images(rows)
            near = distances(faces, images, subject[rows], sample[rows], mean) if mean is not None else {}
        else:
            images, near = faces.images(real[part - len(outputs)]), {}
        return Look(court.judge(images), near, features(_tensor(images)).cpu() if features else None)

    looks = []
    for part, seen in enumerate(spread(look, len(outputs) + len(real))):
        if fid is not None and seen.inception is not None:
            fid.update(seen.inception, real=part >= len(outputs))  # and not kept: 8 KB an image
        looks.append(seen._replace(inception=None))
    of_outputs, of_real = looks[: len(outputs)], looks[len(outputs) :]
    truth = {name: np.concatenate([seen.truth[name] for seen in of_outputs]) for name in of_outputs[0].truth}
    said, said_real = (joined([seen.said for seen in some]) for some in (of_outputs, of_real))
    return Material(faces, people, subject, sample, said, said_real, truth, fid)


def recombinations(court: Court, m: Material) -> tuple[dict[str, float], Column]:
    """Of subjects with samples, by IP-GAN: identity, attributes, truth and realism."""
    values, columns = identity(m)
    for score in (attributes(court, m), truth(m)):
        values |= score[0]
        columns |= score[1]
    return values | realism(m), columns


def classes(court: Court, m: Material) -> tuple[dict[str, float], Column]:
    """Of the people that CVAE-GAN was trained on, by their numbers: the paper's Table 1, by an independent judge.

    A subject or a sample is no input of it, so identity, attributes and truth are not defined.
    """
    among, seen, person = _gallery(m)
    features, found = torch.from_numpy(m.said.features), torch.from_numpy(m.said.found)
    hits = found_first(features, _people(m, m.subject_rows), found, among)
    hits_real = found_first(torch.from_numpy(seen.features), person, torch.from_numpy(seen.found), among)
    values = {"closed_set/top1": float(hits.float().mean()), "closed_set/top1_real": float(hits_real.float().mean())}
    return values | realism(m), {"closed_set/top1": hits.numpy().astype(np.float32)}


def _gallery(m: Material) -> tuple[Gallery, Verdict, Tensor]:
    """The people as the judge sees them; what it says of their probes, and whose each is."""
    shown, person_shown = labelled(m.people.gallery)
    _, person = labelled(m.people.probes)
    among = judged_gallery(m.said_real.part(slice(len(shown))), person_shown)
    return among, m.said_real.part(slice(len(shown), None)), person


def identity(m: Material) -> tuple[dict[str, float], Column]:
    """`identity/*`: is it the subject, by nearest neighbour among real photographs."""
    among, seen, person = _gallery(m)
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
    place = {row: i for i, row in enumerate(m.people.rows.tolist())}
    said_samples = m.said_real.part(np.array([place[row] for row in m.sample_rows.tolist()]))
    known = known_attributes(m.faces, m.sample_rows) or said_samples.attributes
    found, real_found = torch.from_numpy(m.said.found), torch.from_numpy(m.said_real.found)
    person, sample_person = _people(m, m.people.rows), _people(m, m.sample_rows)
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
    subjects, samples = grid(people, synthesize.grid_subjects, synthesize.grid_samples)
    if not known_truth(faces, subjects, samples):
        return None
    rows = [[np.full_like(faces.image(0), 255), *faces.images(samples)]]
    for s in subjects:
        rows.append([faces.image(s), *true_recombinations(faces, np.repeat(s, len(samples)), samples)])
    return tiled(rows)


def known_truth(faces: Faces, subject_rows: np.ndarray, sample_rows: np.ndarray) -> bool:
    """Whether the true recombinations of these are known; of rendered heads they are."""
    return len(sample_rows) > 0 and faces.has("identity_vector", np.concatenate([subject_rows, sample_rows]))


def mean_face(faces: Faces, rows: np.ndarray) -> np.ndarray:
    """The mean of these photographs, uint8 [S, S, 3]: the best answer that is the same for all."""
    total = sum(faces.images(part).sum(axis=0, dtype=np.int64) for part in chunks(rows))
    return np.round(total / len(rows)).astype(np.uint8)


def distances(
    faces: Faces, outputs: np.ndarray, subject_rows: np.ndarray, sample_rows: np.ndarray, mean: np.ndarray
) -> Column:
    """How near outputs, uint8 [B, S, S, 3], are to the true recombinations; and how near two trivial answers are.

    Those are the sample given back and the mean face: whoever is not nearer has done nothing.
    """
    true = _tensor(true_recombinations(faces, subject_rows, sample_rows))
    images, samples = _tensor(outputs), _tensor(faces.images(sample_rows))
    return {
        "truth/psnr": psnr(images, true).numpy(),
        "truth/psnr_sample": psnr(samples, true).numpy(),
        "truth/psnr_mean_face": psnr(_tensor(mean[None]).expand_as(true), true).numpy(),
        "truth/ssim": ssim(images, true).numpy(),
    }


def truth(m: Material) -> tuple[dict[str, float], Column]:
    """`truth/*`: against the true recombination, pixel by pixel; nothing where nobody knows it."""
    return {name: float(column.astype(np.float64).mean()) for name, column in m.truth.items()}, m.truth


def realism(m: Material) -> dict[str, float]:
    """`realism/fd_judge` always, `realism/fid` with Inception's weights, and the numbers of images behind both.

    An image in which the judge finds no face stays in the set, with the zeros that the judge gives for it.
    """
    judged = FrechetDistance(m.said.features.shape[1])
    judged.update(torch.from_numpy(m.said.features), real=False)
    judged.update(torch.from_numpy(m.said_real.features), real=True)
    values = {"realism/fd_judge": float(judged.compute())}
    values |= {"realism/images": float(len(m.said.found)), "realism/images_real": float(len(m.said_real.found))}
    if m.fid is not None:
        values["realism/fid"] = float(m.fid.compute())
    return values


def not_measured(values: Mapping[str, float]) -> dict[str, str]:
    """What the protocol names and `values` lacks, and why."""
    estimates = [f"attributes/{d.name}_error" for d in heads.ATTRIBUTES]
    swaps = ["identity/top1", "identity/top1_sample"]
    truths = ["truth/psnr", "truth/psnr_sample", "truth/psnr_mean_face", "truth/ssim"]
    reasons = {"realism/fid": "evaluate.inception is off: `python -m pipeline fetch inception`, then set it to on"}
    if "closed_set/top1" in values:
        unasked = "CVAE-GAN makes the people it was trained on, by number: it is given no subject and no sample"
        reasons |= dict.fromkeys([*swaps, *estimates, *truths], unasked)
    else:
        reasons |= dict.fromkeys(estimates, "no published network here estimates it on photographs")
        reasons |= dict.fromkeys(truths, "photographs have no true recombination to compare with")
        reasons["closed_set/top1"] = "IP-GAN is asked for people that it was not trained on"
    return {name: reason for name, reason in reasons.items() if name not in values}


def cases(m: Material, columns: Column) -> list[dict[str, Any]]:
    """One row an output: who, and what each metric says of it."""
    names = m.faces.column("identity")
    shown: dict[str, Any] = {"subject": names[m.subject_rows], "found": m.said.found.tolist()}
    if len(m.sample_rows):
        shown["sample"] = names[m.sample_rows]
    shown |= {name: column.tolist() for name, column in columns.items()}
    return [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]


def _tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, S, S, 3] => uint8 [B, 3, S, S]."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _people(m: Material, rows: np.ndarray) -> Tensor:
    """Numbers of the people that these rows show, int64."""
    number = {name: i for i, name in enumerate(m.people.names)}
    names = m.faces.column("identity")
    return torch.tensor([number[names[row]] for row in rows])
