"""`applications/*`: what the model is for, measured: frontalization, morphing, and a performance frame by frame."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.applications.evaluation.bench import Bench, Figure, Figures
from pipeline.applications.evaluation.identity import accepted_at, compared, thresholds
from pipeline.applications.evaluation.look import Look
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.judging import known_attributes
from pipeline.datasets import heads
from pipeline.datasets.shards import Faces
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals
from pipeline.metrics.identity import found_first

SEVERAL = 5  # photographs of a subject, or as many as there are outside the gallery
FRONTAL, TURNED = 10.0, 25.0  # degrees of yaw: up to the first a photograph is frontal, from the second on turned
STEPS = 9  # of a morph, its ends among them
APART = 20.0  # degrees of yaw between the two samples of a morph, at least
FRAMES = 16  # of a performance
SUBJECTS = 16  # people whose morphs and performances are looked at
Named = TypeVar("Named")


def several(b: Bench, maker: Maker) -> Look:
    """What is seen in recombinations where I has seen SEVERAL photographs of the subject and not one.

    f_I is their mean, as long as each of them is on average.
    """
    m, means = b.material, []
    for own in m.people.probes:
        f_I = maker.of(m.asked.faces, own[:SEVERAL]).f_I
        mean = f_I.mean(0)
        means.append(mean * f_I.norm(dim=1).mean() / mean.norm().clamp(min=1e-12))
    z = maker.of(m.asked.faces, m.asked.sample_rows).z
    return Look(b.court.recognise(maker.faces(torch.stack(means)[b.subject], z)), {})


def named_several(found: dict[str, Named]) -> dict[str, Named]:
    """`identity/several_*`: of faces alone, for what photographs reach stands beside the others."""
    return {name.replace("/", "/several_"): value for name, value in found.items() if not name.endswith("_real")}


def frontalization(b: Bench, maker: Maker) -> Figures:
    """Turned photographs brought to the front, with the mean z of frontal photographs of the val split.

    `frontalization_top1` and `_tar_at_far_*` beside `_before`, those of the photographs as they are;
    `frontalization_yaw`, how far the results are turned, in degrees.
    """
    rows, turned = np.concatenate(b.material.people.probes), torch.from_numpy(turned_probes(b))
    z = frontal_code(b, maker)
    if z is None or not turned.any():
        return {}
    f_I = maker.of(b.material.asked.faces, rows).f_I
    said = b.court.judge(maker.faces(f_I, z.expand(len(f_I), -1)))
    before, after = (compared(b, seen, b.person) for seen in (b.probes, said))
    limits = thresholds(before)  # of photographs as they are
    columns = {f"frontalization_{name}": column.double() for name, column in accepted_at(after, limits).items()}
    columns |= {
        f"frontalization_{name}_before": column.double() for name, column in accepted_at(before, limits).items()
    }
    columns |= {
        "frontalization_top1": _found(b, said),
        "frontalization_top1_before": _found(b, b.probes),
        "frontalization_yaw": torch.from_numpy(np.abs(said.attributes["yaw"])).nan_to_num(90.0).double(),
    }
    return {f"applications/{k}": b.of_probes(column)._replace(counted=turned) for k, column in columns.items()}


def turned_probes(b: Bench) -> np.ndarray:
    """Which of the probes are turned, bool."""
    return np.abs(yaw_of_probes(b)) >= TURNED


def yaw_of_probes(b: Bench) -> np.ndarray:
    """How far each is turned, degrees."""
    return _yaw(b, b.material.asked.faces, np.concatenate(b.material.people.probes), b.probes)


def frontal_code(b: Bench, maker: Maker) -> Tensor | None:
    """The mean z of frontal photographs of the val split, whom nothing is evaluated on; None without any."""
    faces = b.material.asked.faces
    rows = faces.of_split("val")
    known = known_attributes(faces, rows) or b.court.judge(faces.images(rows)).attributes
    front = rows[np.abs(np.nan_to_num(known["yaw"], nan=90.0)) <= FRONTAL]
    return maker.attributes(faces.images(front)).mean(0) if len(front) else None


class Morphs(NamedTuple):
    """From one sample's z to another's in equal steps, the person unchanged."""

    subject: Tensor  # int64 [B], whose faces
    ends: np.ndarray  # int64 [B, 2], rows of the photographs between which they go
    yaw: np.ndarray  # float [B, 2], of these, degrees
    images: np.ndarray  # uint8 [B * STEPS, S, S, 3]


def morphs(b: Bench, maker: Maker) -> Morphs | None:
    """Of the first SUBJECTS people; None where no two photographs are APART."""
    m = b.material
    samples = np.array([int(own[0]) for own in m.people.probes])
    place = {row: i for i, row in enumerate(m.people.rows.tolist())}
    yaw = _yaw(b, m.asked.faces, samples, m.real.part(np.array([place[int(row)] for row in samples])))
    ends_of = {s: pair for s in range(min(SUBJECTS, len(samples))) if (pair := _ends(yaw, s)) is not None}
    if not ends_of:
        return None
    subject, ends = torch.tensor(list(ends_of)), torch.tensor(list(ends_of.values()))
    f_I, z = maker.of(m.asked.faces, samples)
    along = torch.linspace(0, 1, STEPS, device=z.device)[None, :, None]
    path = torch.lerp(z[ends[:, 0], None], z[ends[:, 1], None], along)
    images = maker.faces(f_I[subject].repeat_interleave(STEPS, 0), path.flatten(0, 1))
    return Morphs(subject, samples[ends.numpy()], yaw[ends.numpy()], images)


def morphing(b: Bench, maker: Maker) -> Figures:
    """What happens on the way of `morphs`.

    `morphing_monotone`: share of steps in which the judge sees yaw move towards the end; `morphing_drift`: likeness
    to the subject of the face on the way that has most, less that of the one that has least.
    """
    made = morphs(b, maker)
    if made is None:
        return {}
    said = b.court.judge(made.images)
    seen = torch.from_numpy(said.attributes["yaw"]).double().nan_to_num().view(-1, STEPS)
    right = torch.from_numpy(np.sign(made.yaw[:, 1] - made.yaw[:, 0])).double()
    likeness = _likeness(b, said, made.subject.repeat_interleave(STEPS)).view(-1, STEPS)
    columns = {
        "morphing_monotone": (seen.diff(dim=1) * right[:, None] > 0).double().mean(1),
        "morphing_drift": likeness.max(1).values - likeness.min(1).values,
    }
    over = intervals.resamples(made.subject)
    return {f"applications/{name}": Figure(column, made.subject, over) for name, column in columns.items()}


def _ends(yaw: np.ndarray, subject: int) -> tuple[int, int] | None:
    """The next two people behind a subject whose photographs are far enough apart in yaw."""
    others = [(subject + step) % len(yaw) for step in range(1, len(yaw))]
    for second in others[1:]:
        if abs(yaw[second] - yaw[others[0]]) >= APART:
            return others[0], second
    return None


class Performance(NamedTuple):
    """Frames, uint8 [FRAMES, S, S, 3] each."""

    acted: np.ndarray  # by somebody else
    made: np.ndarray  # the subject, by the model
    true: np.ndarray  # the subject, rendered


def performances(b: Bench, maker: Maker) -> Iterator[Performance]:
    """Of the first SUBJECTS people, in their order; each is played by the next."""
    m = b.material
    rows = np.array([int(own[0]) for own in m.people.probes[:SUBJECTS]])
    people = m.asked.faces.column("identity_vector", rows)
    size = m.asked.faces.image(int(rows[0])).shape[0]
    f_I = maker.of(m.asked.faces, rows).f_I
    for s in range(len(rows)):
        acted = frames(people[(s + 1) % len(rows)], size, s)
        z = maker.attributes(acted)
        yield Performance(acted, maker.faces(f_I[s].expand(len(z), -1), z), frames(people[s], size, s))


def performance(b: Bench, maker: Maker) -> Figures:
    """A head that turns and speaks, rendered, and played by other people through the model.

    `performance_flicker`: the mean change of the change from frame to frame, over that of the true frames: 1 is as calm
    as the truth. `performance_likeness`: spread of the likeness to the subject over the frames (standard deviation).
    Nothing where nobody knows the truth.
    """
    if not b.material.asked.truth_known:
        return {}
    flicker, spread = [], []
    for s, shown in enumerate(performances(b, maker)):
        flicker.append(unrest(shown.made) / max(unrest(shown.true), 1e-6))
        said = b.court.recognise(shown.made)
        spread.append(_likeness(b, said, torch.full((FRAMES,), s)).std().item())
    person = torch.arange(len(flicker))
    over = intervals.resamples(person)
    columns = {"performance_flicker": flicker, "performance_likeness_deviation": spread}
    return {
        f"applications/{name}": Figure(torch.tensor(column, dtype=torch.float64), person, over)
        for name, column in columns.items()
    }


def frames(identity: np.ndarray, size: int, seed: int) -> np.ndarray:
    """A person who turns the head and opens the mouth, uint8 [FRAMES, S, S, 3]; all else stays."""
    names = [d.name for d in heads.ATTRIBUTES]
    still = heads.sample_attributes(np.random.default_rng(seed))
    made = []
    for turn in np.linspace(0, 1, FRAMES):
        attributes = still.copy()
        attributes[names.index("yaw")] = 30 * np.sin(2 * np.pi * turn)
        attributes[names.index("mouth_open")] = 0.5 - 0.5 * np.cos(2 * np.pi * turn)
        made.append(heads.render(identity, attributes, size).image)
    return np.stack(made)


def unrest(images: np.ndarray) -> float:
    """Mean absolute second difference of frames, in grey levels."""
    return float(np.abs(np.diff(images.astype(np.float64), n=2, axis=0)).mean())


def _found(b: Bench, said: Verdict) -> Tensor:
    return found_first(torch.from_numpy(said.features), b.person, torch.from_numpy(said.found), b.among).double()


def _likeness(b: Bench, said: Verdict, person: Tensor) -> Tensor:
    """Cosine to the person's gallery, float64 [B]; 0 where no face is found."""
    cosine = cosine_similarity(torch.from_numpy(said.features).double(), b.among.embeddings[person].double())
    return cosine * torch.from_numpy(said.found)


def _yaw(b: Bench, faces: Faces, rows: np.ndarray, said: Verdict) -> np.ndarray:
    """Of photographs, as known, else as judged; degrees."""
    known: Mapping[str, np.ndarray] = known_attributes(faces, rows) or said.attributes
    return np.nan_to_num(known["yaw"])
