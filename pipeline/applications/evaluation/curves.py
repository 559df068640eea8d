"""What is a curve rather than a number: acceptance by threshold, figures by yaw."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch

from pipeline.applications.evaluation.bench import Bench, Figures
from pipeline.applications.evaluation.identity import Compared, compared
from pipeline.applications.evaluation.uses import yaw_of_probes
from pipeline.applications.judging import known_attributes
from pipeline.metrics import verification

FALSE_ACCEPT = np.arange(-3.0, 0.01, 0.1)  # powers of ten
YAW = np.arange(-45.0, 45.0, 10.0)  # degrees, where a bin begins
TURNED_BY = np.arange(0.0, 90.0, 10.0)  # likewise, to either side
BY_YAW = ("identity/top1", "identity/cosine_subject", "attributes/yaw_error", "attributes/yaw_error_real", "truth/psnr")
FRONTALIZED = ("top1", "top1_before", "tar_at_far_1e-2", "tar_at_far_1e-2_before")
LIKENESS = np.arange(-0.2, 1.0, 0.05).round(2)  # to the nearest training image, where a bin begins


class Table(NamedTuple):
    """Plot data."""

    name: str
    says: str
    columns: list[str]
    rows: list[list[float]]


def curves(b: Bench, figures: Figures) -> Iterator[Table]:
    """Of the model; by yaw where it is given a sample."""
    yield _roc(b)
    if len(b.sample):
        yield _by_yaw(b, figures)
    if "applications/frontalization_top1" in figures:
        yield frontalized(b, figures)
    if "memorisation/nearest_cosine" in figures:
        yield _nearest(figures)


def _roc(b: Bench) -> Table:
    """True accept rates at the same false accept rates, of synthesized faces and of photographs."""
    kinds = {"synthesized": compared(b, b.model.said, b.subject), "real": compared(b, b.probes, b.person)}
    rates = {name: _rates(kind) for name, kind in kinds.items() if len(kind.own)}
    rows = np.stack([FALSE_ACCEPT, *rates.values()], 1).round(4).tolist()
    return Table("roc", "accepted, by the share of strangers that are too", ["log10_false_accept", *rates], rows)


def _rates(kind: Compared) -> np.ndarray:
    curve = verification.roc(kind.genuine, kind.impostors)
    # Where the curve jumps, the rate that is reached without accepting more impostors.
    place = torch.searchsorted(curve.false_accept, torch.from_numpy(10**FALSE_ACCEPT), right=True) - 1
    return curve.true_accept[place].numpy()


def _by_yaw(b: Bench, figures: Figures) -> Table:
    """Means of figures by the sample's yaw; a bin without a sample has no row."""
    m = b.material
    place = {row: i for i, row in enumerate(m.people.rows.tolist())}
    truly = known_attributes(m.asked.faces, m.asked.sample_rows)
    said = m.real.attributes["yaw"][[place[row] for row in m.asked.sample_rows.tolist()]]
    bins = np.digitize(truly.get("yaw", said), YAW) - 1
    names = [name for name in BY_YAW if name in figures]
    rows = []
    for number, begin in enumerate(YAW.tolist()):
        here = torch.from_numpy(bins == number)
        if here.any():
            means = [figures[name].column[here].double().mean().item() for name in names]
            rows.append([begin, float(here.sum()), *(round(mean, 4) for mean in means)])
    return Table("by_yaw", "figures by the yaw of the sample", ["yaw_from", "images", *names], rows)


def frontalized(b: Bench, figures: Figures) -> Table:
    """Photographs as they are and brought to the front, by how far they are turned to either side."""
    bins = np.digitize(np.abs(yaw_of_probes(b)), TURNED_BY) - 1
    keys = {name: f"applications/frontalization_{name}" for name in FRONTALIZED}
    names = [name for name, key in keys.items() if key in figures]
    rows = []
    for number in np.unique(bins).tolist():
        here = torch.from_numpy(bins == number)
        means = [figures[keys[name]].column[here].mean().item() for name in names]
        rows.append([TURNED_BY[number].item(), float(here.sum()), *(round(mean, 4) for mean in means)])
    columns = ["turned_from", "images", *names]
    return Table("frontalization", "taken for their person by how far photographs are turned", columns, rows)


def _nearest(figures: Figures) -> Table:
    """Shares of synthesized faces, and of real photographs of new people, by likeness to the nearest training image."""
    columns = [figures[f"memorisation/nearest_cosine{ending}"].column.numpy() for ending in ("", "_real")]
    edges = np.append(LIKENESS, 1.0)
    shares = [np.histogram(column.clip(edges[0], edges[-1]), edges)[0] / max(len(column), 1) for column in columns]
    rows = np.stack([LIKENESS, *shares], 1).round(4).tolist()
    says = "likeness to the nearest training image: shares of faces and of real photographs of new people"
    return Table("nearest", says, ["cosine_from", "synthesized", "real"], rows)
