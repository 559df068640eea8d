"""Is everybody treated alike? The same figures for groups of subjects, where the data set knows who belongs to which.

Rendered people have no sex and no age, only shapes and colours that we would read so; the groups say which numbers of
the identity vector they are made of (datasets/heads/vectors.py).
"""

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Estimates, Figures
from pipeline.datasets import heads
from pipeline.metrics import intervals

KINDS = ("identity/", "attributes/")  # of figures


def groups(b: Bench) -> dict[str, dict[str, Tensor]]:
    """Family -> group -> bool [P], who belongs to it; families with one group alone are left out."""
    people, faces = b.material.people, b.material.asked.faces
    rows = np.array([int(own[0]) for own in people.gallery])
    if not faces.has("identity_vector", rows):
        return {}
    vectors = faces.column("identity_vector", rows)
    trait = {d.name: torch.from_numpy(np.ascontiguousarray(vectors[:, i])) for i, d in enumerate(heads.IDENTITY)}
    melanin = trait["melanin"]
    heavy = (
        trait["jaw_width"] + trait["brow_ridge"] + trait["chin_length"] - trait["upper_lip"] - trait["cheek_fullness"]
    )
    older = (trait["hair_grayness"] >= 0.4) | (trait["hair_receding"] >= 0.5)
    families = {
        "skin": {"light": melanin < 1 / 3, "medium": (melanin >= 1 / 3) & (melanin < 2 / 3), "dark": melanin >= 2 / 3},
        "shape": {"heavy_features": heavy >= 0, "fine_features": heavy < 0},
        "age": {"gray_or_receding": older, "neither": ~older},
        "beard": {"bearded": trait["beard"] >= 0.2, "not_bearded": trait["beard"] < 0.2},
    }
    known = {
        family: {name: people for name, people in named.items() if people.any()} for family, named in families.items()
    }
    return {family: named for family, named in known.items() if len(named) > 1}


def by_group(b: Bench, figures: Figures) -> dict[str, Estimates]:
    """`FAMILY/GROUP` -> figure -> estimate, and `FAMILY/gap`: between the highest and the lowest of a family."""
    compared = {name: figure for name, figure in figures.items() if name.startswith(KINDS)}
    found: dict[str, Estimates] = {}
    for family, named in groups(b).items():
        gaps: Estimates = {}
        for key, figure in compared.items():
            parts = {name: figure.rows_of(people) for name, people in named.items()}
            counted = {name: rows for name, rows in parts.items() if rows.any()}
            for name, rows in counted.items():
                found.setdefault(f"{family}/{name}", {})[key] = figure._replace(counted=rows).estimate()
            if counted.keys() == parts.keys():
                gaps[key] = intervals.gap(figure.column, figure.over, list(parts.values()), figure.groups)
        found[f"{family}/gap"] = gaps
    return found
