"""`uncanniness/*`: can a fresh classifier tell synthesized faces from photographs, by the whole, the eyes, the mouth?

It is trained on one half of the people and asked about the other, and the other way round; a pair whose subject and
sample are of different halves is left out. An area under the curve of 0.5 is a guess: nothing uncanny is left that so
small a network sees in so few images.
"""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from pipeline.applications.evaluation.bench import Bench, Estimates, shares
from pipeline.applications.evaluation.look import Look
from pipeline.applications.evaluation.material import LOOKED_AT, at_equal_steps
from pipeline.applications.evaluation.regions import REGIONS, Region, cut
from pipeline.datasets.pairs import to_tensor
from pipeline.metrics import intervals, verification

STEPS, BATCH, RATE = 120, 64, 2e-3
LEAST = 16  # images of each kind and half


class Shown(NamedTuple):
    """Images of one kind."""

    images: np.ndarray  # uint8 [B, S, S, 3]
    landmarks: np.ndarray  # float32 [B, 5, 2], pixels
    person: Tensor  # int64 [B], whom they show, by number
    half: Tensor  # int64 [B], 0 or 1: of the people; -1: of both


def uncanniness(b: Bench, answers: Look) -> Estimates:
    """`auc`, `auc_eyes` and `auc_mouth` of a system whose images were kept; nothing of others, or of too few."""
    m, kept = b.material, len(answers.images)
    if not kept or not len(b.sample):
        return {}
    subject, sample, samples = b.subject[:kept], b.sample[:kept], m.asked.sample_rows[:kept]
    half = torch.where(subject % 2 == sample % 2, subject % 2, -1)
    # A synthesized face has the landmarks of its sample, as nearly as anybody knows.
    fake = Shown(answers.images, m.asked.landmarks(samples), subject, half)
    rows = at_equal_steps(m.people.rows, LOOKED_AT)
    shows = m.persons(rows)
    real = Shown(m.asked.faces.images(rows), m.asked.landmarks(rows), shows, shows % 2)
    if min(int((kind.half == half).sum()) for kind in (fake, real) for half in (0, 1)) < LEAST:
        return {}
    found: Estimates = {}
    for name, region in REGIONS.items():
        says = _says(_part(fake, region), fake.half, _part(real, region), real.half)

        def auc(chosen: Tensor, name: str = name, says: tuple[Tensor, Tensor] = says) -> dict[str, float]:
            areas = []
            for half in (0, 1):
                here = [
                    said[(kind.half == half) & chosen[kind.person]]
                    for kind, said in zip((fake, real), says, strict=True)
                ]
                areas.append(verification.auc(*here) if min(map(len, here)) else 0.5)
            return {f"uncanniness/auc{name}": sum(areas) / len(areas)}

        found |= intervals.by_halves(auc, len(m.people.names), kept)
    return shares(found)


def _part(shown: Shown, region: Region | None) -> Tensor:
    """The region of each image, float32 [B, 3, H, W] in [-1, 1]."""
    return to_tensor(cut(shown.images, region, shown.landmarks) if region else shown.images)


def _says(fake: Tensor, fake_half: Tensor, real: Tensor, real_half: Tensor) -> tuple[Tensor, Tensor]:
    """How synthesized each looks to the classifier that was trained on the other half: in [0, 1], of both kinds."""
    says = torch.zeros(len(fake)), torch.zeros(len(real))
    for half in (0, 1):
        network = _trained(fake[fake_half == 1 - half], real[real_half == 1 - half])
        with torch.inference_mode():
            for kind, halves, said in ((fake, fake_half, says[0]), (real, real_half, says[1])):
                said[halves == half] = network(kind[halves == half]).squeeze(1).sigmoid()
    return says


def _trained(fake: Tensor, real: Tensor) -> nn.Module:
    """A small network that knows one kind from the other; as many of each are drawn, and mirrored by chance."""
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = nn.Sequential(
            *(nn.Conv2d(3, 16, 3, stride=2, padding=1), nn.ReLU(), nn.MaxPool2d(2)),
            *(nn.Conv2d(16, 32, 3, padding=1), nn.GroupNorm(4, 32), nn.ReLU()),
            *(nn.Conv2d(32, 64, 3, stride=2, padding=1), nn.GroupNorm(4, 64), nn.ReLU()),
            *(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 1)),
        )
    optimizer = torch.optim.Adam(network.parameters(), lr=RATE)
    truth = torch.tensor([1.0, 0.0]).repeat_interleave(BATCH // 2)
    for _ in range(STEPS):
        drawn = [kind[torch.randint(len(kind), (BATCH // 2,), generator=generator)] for kind in (fake, real)]
        x = torch.cat(drawn)
        mirrored = torch.rand(BATCH, generator=generator) < 0.5
        x = torch.where(mirrored[:, None, None, None], x.flip(3), x)
        loss = binary_cross_entropy_with_logits(network(x).squeeze(1), truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()
