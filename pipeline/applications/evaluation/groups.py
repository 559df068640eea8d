"""Is everybody treated alike? The same figures for groups of subjects, where the data set knows who belongs to which.

Rendered people have no sex and no age, only shapes and colours that we would read so; the groups say which numbers of
the identity vector they are made of (datasets/heads/vectors.py). Of photographs it is what their source says of them
(datasets/sources): a word's groups are its values, a yes or no makes two, any other number three of equal size.
"""

import math
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Estimates, Figures, shares
from pipeline.applications.evaluation.side_by_side import side_by_side
from pipeline.datasets import heads
from pipeline.datasets.shards import Faces
from pipeline.metrics import intervals

KINDS = ("identity/", "attributes/")  # of figures
LEAST = 3  # people of a group
Families = dict[str, dict[str, Tensor]]


def groups(b: Bench) -> Families:
    """Family -> group -> bool [P], who belongs to it; without groups of fewer than LEAST, and families of one alone."""
    people, faces = b.material.people, b.material.asked.faces
    rows = np.array([int(own[0]) for own in people.gallery])
    families = _of_rendered(faces, rows) if faces.has("identity_vector", rows) else _of_photographs(faces, rows)
    known = {
        family: {name: people for name, people in named.items() if people.sum() >= LEAST}
        for family, named in families.items()
    }
    return {family: named for family, named in known.items() if len(named) > 1}


def _of_rendered(faces: Faces, rows: np.ndarray) -> Families:
    vectors = faces.column("identity_vector", rows)
    trait = {d.name: torch.from_numpy(np.ascontiguousarray(vectors[:, i])) for i, d in enumerate(heads.IDENTITY)}
    melanin = trait["melanin"]
    heavy = (
        trait["jaw_width"] + trait["brow_ridge"] + trait["chin_length"] - trait["upper_lip"] - trait["cheek_fullness"]
    )
    older = (trait["hair_grayness"] >= 0.4) | (trait["hair_receding"] >= 0.5)
    return {
        "skin": {"light": melanin < 1 / 3, "medium": (melanin >= 1 / 3) & (melanin < 2 / 3), "dark": melanin >= 2 / 3},
        "shape": {"heavy_features": heavy >= 0, "fine_features": heavy < 0},
        "age": {"gray_or_receding": older, "neither": ~older},
        "beard": {"bearded": trait["beard"] >= 0.2, "not_bearded": trait["beard"] < 0.2},
    }


def _of_photographs(faces: Faces, rows: np.ndarray) -> Families:
    if not faces.has("attributes", rows[:0]):  # no such column
        return {}
    said = [dict(known or ()) for known in faces.column("attributes", rows)]
    families: Families = {}
    for name in sorted({name for known in said for name in known}):
        values = torch.tensor([known.get(name, math.nan) for known in said])
        family, is_word, word = name.partition("=")
        if is_word:
            families.setdefault(family, {})[word] = values == 1
        else:
            families[name] = _by_number(values)
    return families


def _by_number(values: Tensor) -> dict[str, Tensor]:
    """Of the people with this number: no and yes, or thirds, named by the lowest and the highest in each."""
    known = values[~values.isnan()]
    if set(known.tolist()) <= {0.0, 1.0} or set(known.tolist()) <= {-1.0, 1.0}:
        return {"no": values <= 0, "yes": values == 1}
    bounds = known.quantile(torch.tensor([1 / 3, 2 / 3]))
    thirds = (values <= bounds[0], (values > bounds[0]) & (values <= bounds[1]), values > bounds[1])
    return {f"{values[third].min():g}_to_{values[third].max():g}": third for third in thirds if third.any()}


def by_group(b: Bench, figures: Figures, of_people: Callable[[Tensor], Estimates]) -> dict[str, Estimates]:
    """`FAMILY/GROUP` -> figure -> estimate, and `FAMILY/gap`: between the highest and the lowest of a family.

    Args:
        b: the comparison.
        figures: of which a group has its own rows.
        of_people: bool [P], some people => what only a set has, of the set of their faces; not cut to [0, 1].
    """
    compared = {name: figure for name, figure in figures.items() if name.startswith(KINDS)}
    families = groups(b)
    parts = list(families.values())
    found = side_by_side(lambda i: _of_family(compared, of_people, parts[i]), len(parts), b.court.copied)
    named = zip(families, found, strict=True)
    return {f"{family}/{name}": values for family, each in named for name, values in each.items()}


def _of_family(
    figures: Figures, of_people: Callable[[Tensor], Estimates], named: dict[str, Tensor]
) -> dict[str, Estimates]:
    """Group -> figure -> estimate, and `gap`."""
    found: dict[str, Estimates] = {name: {} for name in named}
    gaps: Estimates = {}
    for key, figure in figures.items():
        parts = {name: figure.rows_of(people) for name, people in named.items()}
        counted = {name: rows for name, rows in parts.items() if rows.any()}
        for name, rows in counted.items():
            found[name][key] = figure._replace(counted=rows).estimate()
        if counted.keys() == parts.keys():
            gaps[key] = intervals.gap(figure.column, figure.over, list(parts.values()), figure.groups)
    of_sets = {name: _measured(of_people(people)) for name, people in named.items()}
    for name, values in of_sets.items():
        found[name] |= shares(values)
    for key in next(iter(of_sets.values())):
        if all(key in values for values in of_sets.values()):
            gaps[key] = intervals.gap_of([values[key] for values in of_sets.values()])
    return found | {"gap": gaps}


def _measured(values: Estimates) -> Estimates:
    """Without those of too few: of nobody's face, or where a half had none."""
    return {name: value for name, value in values.items() if math.isfinite(value.value)}
