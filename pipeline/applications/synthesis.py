"""What `synthesize` makes with each method: which faces, and the picture that shows the idea."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from pipeline.applications.class_model import ClassModel, generate
from pipeline.applications.face_model import FaceModel
from pipeline.datasets.contact_sheet import tiled
from pipeline.datasets.protocol import EVALUATED, Protocol, grid, pairs, protocol
from pipeline.datasets.shards import Faces
from pipeline.params import Evaluate, Model, Synthesize

SPLIT = {"ipgan": "test", "cvaegan": "train"}  # whose people a method is evaluated on


class Synthesis(NamedTuple):
    """Faces to be made."""

    people: Protocol
    rows: list[dict[str, Any]]  # of the index: key, and who each face should show and how
    images: Callable[[], Iterator[np.ndarray]]  # uint8 [S, S, 3] each, in the order of `rows`, by all processes
    grid: Callable[[], np.ndarray]  # uint8 [H, W, 3]


def people_of(faces: Faces, method: str, gallery: int) -> Protocol:
    """Those on whom a method is evaluated: unseen ones, or, for CVAE-GAN, which knows no others, its own."""
    return protocol(faces, SPLIT[method], gallery, EVALUATED)


def synthesis(faces: Faces, folder: Path, model: Model, synthesize: Synthesize, evaluate: Evaluate) -> Synthesis:
    """What the model in `folder` is asked for.

    Raises:
        WeightsError: it is missing, damaged or of another shape.
        ShardError: there are too few people.
    """
    make = {"ipgan": _recombinations, "cvaegan": _classes}[model.method]
    return make(faces, folder, model, synthesize, people_of(faces, model.method, evaluate.gallery))


def _recombinations(faces: Faces, folder: Path, model: Model, synthesize: Synthesize, people: Protocol) -> Synthesis:
    """Subjects with samples of other people; the picture has a row a subject, a column a sample."""
    network, made = FaceModel(folder, model), pairs(people, synthesize.samples_per_subject)
    keys, names = faces.column("key"), faces.column("identity")
    rows = []
    for pair in made:
        s, a = pair.subject_row, pair.sample_row
        shown = {"subject": names[s], "sample": names[a], "subject_key": keys[s], "sample_key": keys[a]}
        rows.append({"key": f"{keys[s]}-{keys[a]}", **shown})

    def picture() -> np.ndarray:
        subjects, samples = grid(people, synthesize.grid_subjects, synthesize.grid_samples)
        return tiled(network.grid(faces.images(subjects), faces.images(samples)))

    return Synthesis(people, rows, lambda: network.recombine_pairs(faces, made), picture)


def _classes(faces: Faces, folder: Path, model: Model, synthesize: Synthesize, people: Protocol) -> Synthesis:
    """Faces of the people it was trained on; the picture has a row a person, a column a draw from the prior."""
    network, each = ClassModel(folder, model), synthesize.samples_per_subject
    keys, number = faces.column("key"), {name: i for i, name in enumerate(network.people)}
    c = np.repeat([number[name] for name in people.names], each)
    z = np.random.default_rng(0).standard_normal((len(c), network.generator.z_dim), dtype=np.float32)
    rows = []
    for name, probes in zip(people.names, people.probes, strict=True):
        shown = {"subject": name, "subject_key": keys[probes[0]]}
        rows += [{"key": f"{keys[probes[0]]}-{draw:04d}", **shown} for draw in range(each)]

    def picture() -> np.ndarray:
        draws = z[: synthesize.grid_samples]
        made = []
        for name, probes in list(zip(people.names, people.probes, strict=True))[: synthesize.grid_subjects]:
            of_person = generate(network.generator, draws, np.full(len(draws), number[name]))
            made.append([faces.image(int(probes[0])), *of_person])
        return tiled(made)

    return Synthesis(people, rows, lambda: network.generate_all(z, c), picture)
