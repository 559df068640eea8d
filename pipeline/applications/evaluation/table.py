"""What the evaluation leaves: the table of cases, the picture of true answers, and what was not measured."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from pipeline.applications.evaluation.bench import Bench
from pipeline.applications.evaluation.identity import FALSE_ACCEPT_RATES
from pipeline.applications.evaluation.look import Column
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.evaluation.material import MODEL, Material
from pipeline.applications.evaluation.realism import nearest_training_images
from pipeline.applications.evaluation.strips import strips
from pipeline.applications.evaluation.systems import Asked
from pipeline.applications.face_model import FaceModel
from pipeline.datasets import heads
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.protocol import Protocol, grid
from pipeline.datasets.shards import Faces
from pipeline.datasets.true_answers import true_recombinations
from pipeline.metrics.intervals import Estimate
from pipeline.metrics.neighbours import Prdc
from pipeline.params import Synthesize

SHOWN = 12  # pairs in the picture of nearest training images
OF_NETWORKS = (
    "disentanglement/identity_from_z",
    "applications/frontalization_top1",
    "applications/morphing_monotone",
    "applications/performance_flicker",
    "applications/adversarial_auc_pgd_4",
)
HEADLINE = (  # what says most; none says another's thing again
    *("identity/top1", "identity/top1_real", "identity/top1_sample", "attributes/yaw_error", "truth/psnr"),
    *("realism/fd_judge", "uncanniness/auc", "closed_set/top1", "closed_set/top1_real"),
)
PLAIN = ("sample", "subject", "mean_face", "nearest_training_image")  # answers that anyone could give


def written(scores: Mapping[str, Mapping[str, Estimate]]) -> dict[str, dict[str, Any]]:
    """As it stands in files: a number with its interval where that is known, else the number."""
    return {name: {key: _written(value) for key, value in values.items()} for name, values in scores.items()}


def _written(value: Estimate) -> Any:
    return value._asdict() if math.isfinite(value.low) else value.value


def plain(b: Bench, values: Mapping[str, Any], controls: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """The model's metrics, with what stands once: trivial answers, and the images behind.

    `truth/NAME_ANSWER` says how near to the truth one comes without doing anything; it is the control's own score.
    """
    named = {answer: controls.get(answer, controls.get(f"copy_{answer}", {})) for answer in PLAIN}
    trivial = {
        f"{key}_{answer}": value
        for answer, scores in named.items()
        for key, value in scores.items()
        if key.startswith("truth/")
    }
    m = b.material
    counts = {"realism/images": float(len(b.subject)), "realism/images_real": float(len(m.real.found))}
    return dict(values) | trivial | counts


def headline(values: Mapping[str, Any]) -> dict[str, float]:
    """Of the model's metrics, as `written`, HEADLINE's without their intervals, as far as they were measured."""
    found = {key: values[key] for key in HEADLINE if key in values}
    return {key: value["value"] if isinstance(value, Mapping) else value for key, value in found.items()}


def pictures(b: Bench, synthesize: Synthesize, network: FaceModel | None) -> Iterator[tuple[str, str, np.ndarray]]:
    """Name, caption and picture, of those that there are."""
    faces, people = b.material.asked.faces, b.material.people
    if not len(b.sample):
        return
    true = true_grid(faces, people, synthesize)
    if true is not None:
        yield "truth", "the true answers to synthesize/grid", true
    yield "nearest", "the faces most like a training image, each above it", nearest_grid(b)
    if network is not None:
        yield from strips(b, Maker(network))


def nearest_grid(b: Bench) -> np.ndarray:
    """The model's faces that are most like a training image in the judge's eyes, and below each that image."""
    rows, cosines = nearest_training_images(b, b.model)
    shown = cosines[: len(b.model.images)].argsort(descending=True)[:SHOWN].numpy()
    return tiled([list(b.model.images[shown]), list(b.material.asked.faces.images(rows[shown]))])


def true_grid(faces: Faces, people: Protocol, synthesize: Synthesize) -> np.ndarray | None:
    """The picture that `synthesize` makes, with the true answers in it; None where nobody knows them."""
    subjects, samples = grid(people, synthesize.grid_subjects, synthesize.grid_samples)
    if not Asked(faces, people, subjects, samples).truth_known:
        return None
    rows = [[np.full_like(faces.image(0), 255), *faces.images(samples)]]
    for s in subjects:
        rows.append([faces.image(s), *true_recombinations(faces, np.repeat(s, len(samples)), samples)])
    return tiled(rows)


def not_measured(values: Mapping[str, Any]) -> dict[str, str]:
    """What the protocol names and `values` lacks, and why."""
    estimates = [f"attributes/{d.name}_error" for d in heads.ATTRIBUTES]
    swaps = ["identity/top1", "identity/top1_sample"]
    truths = [f"truth/{name}" for name in ("psnr", "ssim", "feature_distance")]
    truths += [f"truth/psnr_{answer}" for answer in PLAIN]
    off = "evaluate.inception is off: `python -m pipeline fetch inception`, then set it to on"
    reasons = dict.fromkeys(["realism/fid", "realism/kid"], off)
    around = "balls around images take more than 5 images of half the people"
    reasons |= dict.fromkeys([f"realism/{name}" for name in Prdc._fields], around)
    own = "it takes IP-GAN's own networks, and photographs of a subject"
    reasons |= dict.fromkeys(["identity/several_top1", "identity/several_eer", *OF_NETWORKS], own)
    reasons["uncanniness/auc"] = "a classifier takes 16 images of each kind and half of the people, and their landmarks"
    if "closed_set/top1" in values:
        unasked = "CVAE-GAN makes the people it was trained on, by number: it is given no subject and no sample"
        reasons |= dict.fromkeys([*swaps, *estimates, *truths, "uncanniness/auc"], unasked)
        reasons["memorisation/copies"] = (
            "CVAE-GAN makes the people it was trained on: a training image near by is no copy"
        )
    else:
        few = "too few real photographs to find such a threshold with"
        reasons |= dict.fromkeys([f"identity/tar_at_far_{rate}" for rate in FALSE_ACCEPT_RATES], few)
        reasons |= dict.fromkeys(estimates, "no published network here estimates it on photographs")
        reasons |= dict.fromkeys(truths, "photographs have no true recombination to compare with")
        reasons["truth/ms_ssim"] = "it takes a known truth and room for two scales"
        reasons["memorisation/copies"] = "there are no training images to compare with"
        reasons["closed_set/top1"] = "IP-GAN is asked for people that it was not trained on"
    return {name: reason for name, reason in reasons.items() if name not in values}


def cases(m: Material, columns: Column) -> list[dict[str, Any]]:
    """One row an output of the model: who, and what each metric says of it."""
    names, asked = m.asked.faces.column("identity"), m.asked
    shown: dict[str, Any] = {"subject": names[asked.subject_rows], "found": m.answers[MODEL].said.found.tolist()}
    if len(asked.sample_rows):
        shown["sample"] = names[asked.sample_rows]
    shown |= {name: column.tolist() for name, column in columns.items()}
    return [dict(zip(shown, row, strict=True)) for row in zip(*shown.values(), strict=True)]
