"""Whose face is it? Nearest neighbour by cosine among the people of a gallery.

A face that the judge does not find counts as a failure of its image: it is a miss and its cosines are 0. A
tie of the best cosine is a miss, so that features which say nothing score 0.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import normalize
from torchmetrics import Metric


class Gallery(NamedTuple):
    """People to be found among."""

    embeddings: Tensor  # float [P, d], unit length
    people: Tensor  # int64 [P], ascending


class Retrieval(NamedTuple):
    """One row a query."""

    top1: Tensor  # bool [B], the nearest is the subject
    top1_sample: Tensor  # bool [B], the nearest is the sample's person: no swap happened
    cosine_subject: Tensor  # float [B]
    cosine_sample: Tensor  # float [B]
    cosine_unrelated: Tensor  # float [B], mean over everyone else; without it the other two mean nothing


def gallery(features: Tensor, people: Tensor) -> Gallery:
    """Mean direction of each person's photographs.

    Args:
        features: [N, d], any length.
        people: int64 [N], whose photograph it is.
    """
    _check_rows(features, people=people)
    known, place = people.unique(return_inverse=True)
    total = features.new_zeros(len(known), features.shape[1]).index_add(0, place, normalize(features))
    return Gallery(normalize(total), known)


def found_first(features: Tensor, person: Tensor, found: Tensor, among: Gallery) -> Tensor:
    """Whether the nearest person is `person` (and the face was found at all), bool [B]."""
    _check_rows(features, person=person, found=found)
    return _nearest_is(_cosines(features, found, among), _columns(person, among), found)


def retrieve(features: Tensor, subject: Tensor, sample: Tensor, found: Tensor, among: Gallery) -> Retrieval:
    """Compare synthesized faces with everyone in the gallery.

    Args:
        features: the judge's features of the synthesized faces, [B, d], any length.
        subject: int64 [B], who it should be.
        sample: int64 [B], who it should not be.
        found: bool [B], whether the judge found a face.
        among: the people, of which there have to be at least three.

    Raises:
        ValueError: rows do not match, someone is not in the gallery, or the sample is the subject.
    """
    _check_rows(features, subject=subject, sample=sample, found=found)
    if len(among.people) < 3:
        raise ValueError(f"subject, sample and someone unrelated are 3 people; got {len(among.people)}")
    if (subject == sample).any():
        raise ValueError("the sample is a photograph of the subject")
    cosines = _cosines(features, found, among)
    own, other = _columns(subject, among), _columns(sample, among)
    cosine_subject, cosine_sample = (cosines.gather(1, c[:, None]).squeeze(1) for c in (own, other))
    return Retrieval(
        top1=_nearest_is(cosines, own, found),
        top1_sample=_nearest_is(cosines, other, found),
        cosine_subject=cosine_subject,
        cosine_sample=cosine_sample,
        cosine_unrelated=(cosines.sum(1) - cosine_subject - cosine_sample) / (cosines.shape[1] - 2),
    )


class IdentityRetrieval(Metric):
    """Means of `retrieve` over synthesized faces, and `top1_real` over real photographs: the ceiling.

    `update` takes synthesized faces; with `sample` left out, real photographs of `subject` that are not in
    the gallery.
    """

    full_state_update = False
    total: Tensor
    count: Tensor
    hits_real: Tensor
    count_real: Tensor

    def __init__(self, among: Gallery) -> None:
        super().__init__()
        self.among = among
        rows = len(Retrieval._fields)
        self.add_state("total", torch.zeros(rows, dtype=torch.float64), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("hits_real", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")
        self.add_state("count_real", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, features: Tensor, subject: Tensor, found: Tensor, sample: Tensor | None = None) -> None:
        if sample is None:
            self.hits_real += found_first(features, subject, found, self.among).sum()
            self.count_real += len(features)
        else:
            rows = retrieve(features, subject, sample, found, self.among)
            self.total += torch.stack([row.double().sum() for row in rows])
            self.count += len(features)

    def compute(self) -> dict[str, Tensor]:
        """Name -> mean, of what was seen."""
        means = dict(zip(Retrieval._fields, self.total / self.count, strict=True)) if self.count else {}
        return means | ({"top1_real": self.hits_real / self.count_real} if self.count_real else {})


def _cosines(features: Tensor, found: Tensor, among: Gallery) -> Tensor:
    """Cosine of each query and each person, [B, P]; 0 where no face was found, whatever the features say."""
    if not features[found].isfinite().all():
        raise ValueError("features of a found face are not finite")
    with torch.autocast(features.device.type, enabled=False):  # half precision never enters a metric
        return normalize(torch.where(found[:, None], features, 0)) @ among.embeddings.T


def _nearest_is(cosines: Tensor, column: Tensor, found: Tensor) -> Tensor:
    """Whether a column's cosine is above all others of its row, bool [B]."""
    own = cosines.gather(1, column[:, None])
    others = cosines.scatter(1, column[:, None], -torch.inf)
    return (own > others).all(1) & found


def _columns(person: Tensor, among: Gallery) -> Tensor:
    """Where each person stands in the gallery, int64 [B]."""
    if strangers := sorted(set(person.tolist()) - set(among.people.tolist())):
        raise ValueError(f"not in the gallery: {strangers}")
    return torch.searchsorted(among.people, person)


def _check_rows(features: Tensor, **labels: Tensor) -> None:
    for name, values in labels.items():
        if features.ndim != 2 or values.shape != features.shape[:1]:
            raise ValueError(f"features {tuple(features.shape)} do not match {name} {tuple(values.shape)}")
