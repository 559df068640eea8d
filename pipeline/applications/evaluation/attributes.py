"""`attributes/*`: does the face have the sample's pose, expression, light and background."""

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Figures
from pipeline.applications.evaluation.look import Look
from pipeline.applications.judging import known_attributes, visible
from pipeline.metrics.attributes import Attribute, errors


def attributes(b: Bench, answers: Look) -> Figures:
    """`NAME_error` against the sample; `_unrelated`, that of a random other real face; `_real`.

    The last is the error of the judge itself on the sample, where the truth about it is known: nobody can do better in
    its eyes.
    """
    m, place = b.material, {row: i for i, row in enumerate(b.material.people.rows.tolist())}
    said_samples = m.real.part(np.array([place[row] for row in m.asked.sample_rows.tolist()]))
    truly = known_attributes(m.asked.faces, m.asked.sample_rows)
    known = truly or said_samples.attributes
    found, people = torch.from_numpy(answers.said.found), m.persons(m.people.rows)
    figures: Figures = {}
    for name, attribute in b.court.attributes.items():
        target = torch.from_numpy(known[name])
        counted = torch.from_numpy(visible(name, known))
        if not counted.any():
            continue  # of no sample is it known: not measured
        target = target.nan_to_num()  # where it is not known it is not counted
        columns = {
            "error": errors(attribute, torch.from_numpy(answers.said.attributes[name]), target, found),
            "error_unrelated": _unrelated(b, attribute, name, target, people),
        }
        if truly:
            sampled, there = torch.from_numpy(said_samples.attributes[name]), torch.from_numpy(said_samples.found)
            columns["error_real"] = errors(attribute, sampled, target, there)
        groups = (target >= 0.5).long() if attribute.kind == "binary" else None
        for what, column in columns.items():
            figures[f"attributes/{name}_{what}"] = b.of_pairs(column, groups, counted)
    return figures


def _unrelated(b: Bench, attribute: Attribute, name: str, target: Tensor, people: Tensor) -> Tensor:
    """The mean error of all real faces but those of the sample's own person, for each target [B]."""
    said, found = torch.from_numpy(b.material.real.attributes[name]), torch.from_numpy(b.material.real.found)
    means = []
    for rows in torch.arange(len(target)).split(1024):  # all pairs of large sets would fill the memory
        error = errors(attribute, said[None], target[rows, None], found[None]).double()
        others = (people[None] != b.sample[rows, None]).double()
        means.append((error * others).sum(1) / others.sum(1))
    return torch.cat(means)
