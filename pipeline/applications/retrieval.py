"""How well features tell people apart whom they were not trained on: the protocol's gallery and probes."""

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import protocol
from pipeline.datasets.shards import Faces
from pipeline.judges.verdict import Judge, Verdict
from pipeline.metrics.identity import Gallery, found_first, gallery

GALLERY = 5  # photographs of each person that stand for them, as in the reported evaluation


def labelled(rows: list[np.ndarray]) -> tuple[np.ndarray, Tensor]:
    """Row numbers by person => all of them, and whose each is."""
    people = np.repeat(np.arange(len(rows)), [len(r) for r in rows])
    return np.concatenate(rows), torch.from_numpy(people)


def judged_gallery(verdict: Verdict, person: Tensor) -> Gallery:
    """The people of a protocol as the judge sees them; a photograph without a found face does not count.

    Where none of a person's photographs shows the judge a face, zeros stand for them, with a cosine of 0 to everyone.

    Args:
        verdict: of the photographs of the gallery.
        person: whose each is, int64 [B].
    """
    features = torch.from_numpy(np.where(verdict.found[:, None], verdict.features, 0))
    return gallery(features, person)


def top1_real(judge: Judge, faces: Faces, split: str, photographs: int = GALLERY) -> float:
    """Share of the probes of a split whose nearest person is the right one."""
    people = protocol(faces, split, photographs)
    shown, person_shown = labelled(people.gallery)
    probes, person = labelled(people.probes)
    among = judged_gallery(judge(faces.images(shown)), person_shown)
    verdict = judge(faces.images(probes))
    hits = found_first(torch.from_numpy(verdict.features), person, torch.from_numpy(verdict.found), among)
    return float(hits.float().mean())


def top1_of_unseen(faces: Faces, split: str, network: nn.Module) -> float:
    """`top1_real` by the features of a recogniser of the method: raw pixels => features, scores."""

    @torch.inference_mode()
    def judge(images: np.ndarray) -> Verdict:
        features = torch.cat([network(to_tensor(images[i : i + 256]))[0] for i in range(0, len(images), 256)])
        return Verdict(features.numpy(), {}, np.ones(len(images), bool))

    network.eval().cpu()
    return top1_real(judge, faces, split)
