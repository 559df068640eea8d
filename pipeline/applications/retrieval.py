"""How well features tell people apart whom they were not trained on: the protocol's gallery and probes."""

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import Protocol, protocol
from pipeline.datasets.shards import Faces
from pipeline.judges.verdict import Judge, Verdict, joined
from pipeline.metrics.identity import Gallery, found_first, gallery
from pipeline.training.devices import device
from pipeline.training.spread import chunks, spread

GALLERY = 5  # photographs of each person that stand for them, as in the reported evaluation


def labelled(rows: list[np.ndarray]) -> tuple[np.ndarray, Tensor]:
    """Row numbers by person => all of them, and whose each is."""
    people = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return np.concatenate(rows), torch.from_numpy(people)


def judged(judge: Judge, faces: Faces, rows: np.ndarray) -> Verdict:
    """What the judge says of these photographs, asked by all processes; the first alone returns."""
    parts = chunks(rows)
    return joined(list(spread(lambda part: judge(faces.images(parts[part])), len(parts))))


def judged_gallery(verdict: Verdict, person: Tensor) -> Gallery:
    """The people of a protocol as the judge sees them; a photograph without a found face does not count.

    Where none of a person's photographs shows the judge a face, zeros stand for them, with a cosine of 0 to everyone.

    Args:
        verdict: of the photographs of the gallery.
        person: whose each is, int64 [B].
    """
    features = torch.from_numpy(np.where(verdict.found[:, None], verdict.features, 0))
    return gallery(features, person)


def top1_real(verdict: Verdict, people: Protocol) -> float:
    """Share of the probes whose nearest person is the right one; the verdict is that of `people.rows`."""
    shown, person_shown = labelled(people.gallery)
    _, person = labelled(people.probes)
    among = judged_gallery(verdict.part(slice(len(shown))), person_shown)
    probes = verdict.part(slice(len(shown), None))
    hits = found_first(torch.from_numpy(probes.features), person, torch.from_numpy(probes.found), among)
    return float(hits.float().mean())


def top1_of_unseen(faces: Faces, split: str, network: nn.Module) -> float:
    """`top1_real` by the features of a recogniser of the method: raw pixels => features, scores."""
    network.eval().to(device())

    @torch.inference_mode()
    def judge(images: np.ndarray) -> Verdict:
        features, _ = network(to_tensor(images).to(device()))
        return Verdict(features.cpu().numpy(), {}, np.ones(len(images), bool))

    people = protocol(faces, split, GALLERY)
    return top1_real(judged(judge, faces, people.rows), people)
