"""`disentanglement/*`: what z still says of the person, and f_I of the circumstances, by linear probes.

Beside each leak stands what is meant to be read from that code, so that a probe which reads nothing of anything shows.
"""

import torch
from torch import Tensor

from pipeline.applications.evaluation.bench import Bench, Figures
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.judging import known_attributes, visible
from pipeline.applications.retrieval import labelled
from pipeline.metrics import intervals
from pipeline.metrics.attributes import errors
from pipeline.metrics.probes import classify, read


def disentanglement(b: Bench, maker: Maker) -> Figures:
    """Of the real photographs of the people that the method is evaluated on.

    `identity_from_CODE`: whose probe a photograph is, by a linear probe fitted to the galleries; `identity_chance`.
    `NAME_from_CODE_error`: of an attribute, by a probe fitted to the other half of the people; `NAME_chance_error`: by
    one that is given nothing.
    """
    people, faces = b.material.people, b.material.asked.faces
    codes = {name: code.cpu() for name, code in maker.of(faces, people.rows)._asdict().items()}
    galleries, person = labelled(people.gallery)
    figures = {}
    for name, code in codes.items():
        said = classify(code[: len(galleries)], person, code[len(galleries) :])
        figures[f"disentanglement/identity_from_{name}"] = b.of_probes((said == b.person).double())
    chance = torch.full((len(b.person),), 1 / len(people.names), dtype=torch.float64)
    return figures | {"disentanglement/identity_chance": b.of_probes(chance)} | _attributes(b, codes)


def _attributes(b: Bench, codes: dict[str, Tensor]) -> Figures:
    rows, m = b.material.people.rows, b.material
    known = known_attributes(m.asked.faces, rows) or m.real.attributes
    shows = m.persons(rows)
    half = shows % 2 == 0
    over = intervals.resamples(shows)
    nothing = {"chance": torch.zeros(len(rows), 1, dtype=torch.float64)}
    figures: Figures = {}
    for name, attribute in b.court.attributes.items():
        truly = torch.from_numpy(known[name]).double()
        counted = torch.from_numpy(visible(name, known)) & torch.from_numpy(m.real.found)
        groups = (truly >= 0.5).long() if attribute.kind == "binary" else None
        for code, x in (codes | nothing).items():
            if min((half & counted).sum(), (~half & counted).sum()) < 3:
                continue
            said = torch.zeros_like(truly)
            for fitted, asked in ((half, ~half), (~half, half)):
                said[asked] = read(attribute, x[fitted & counted], truly[fitted & counted], x[asked])
            error = errors(attribute, said, truly.nan_to_num(), torch.ones_like(half))
            source = code if code in nothing else f"from_{code}"
            figure = b.of_probes(error)._replace(person=shows, over=over, groups=groups, counted=counted)
            figures[f"disentanglement/{name}_{source}_error"] = figure
    return figures
