"""Is an edited face what it should be? Of rendered heads the truth is known: the same head, rendered anew."""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.directions import Directions
from pipeline.applications.editing import KNOWN, Change, edited, read
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets import heads
from pipeline.metrics.truth import psnr

Draw = Callable[[np.ndarray, np.ndarray], np.ndarray]  # identity [B, 50], attributes [B, 23] => uint8 [B, S, S, 3]


class Truth(NamedTuple):
    """Peak signal-to-noise ratio against the head that is truly so, dB, and how far the number went, [B] each."""

    edited: Tensor
    untouched: Tensor  # of the model's drawing of the head as it was: what anyone could give
    asked: Tensor  # by how much the number should change, from what is read of the head
    drawn: Tensor  # by how much it differs between the two drawings, as the model's own codes read them


def against_truth(
    model: FaceSynthesizer,
    directions: dict[str, Directions],
    change: Change,
    people: np.ndarray,
    circumstances: np.ndarray,
    draw: Draw,
) -> Truth:
    """How near edited heads come to heads that were rendered with the same change, and unedited ones.

    Args:
        model: draws faces.
        directions: of its codes.
        change: of every head alike.
        people: identity vectors, [B, 50].
        circumstances: attribute vectors, [B, 23].
        draw: makes pictures of both; `rendered(size)`.
    """
    vectors = {"trait": people, "attribute": circumstances}
    before = draw(people, circumstances)
    vectors[change.kind] = changed(vectors[change.kind], change)
    true = _tensor(draw(vectors["trait"], vectors["attribute"]))
    made, now, then = edited(model, directions, before, change)
    untouched = model.synthesize(model.identity(before), model.attributes(before))
    after, without = (read(model, directions, images, change) for images in (made, untouched))
    asked, drawn = torch.from_numpy(then - now), torch.from_numpy(after - without)
    return Truth(psnr(_tensor(made), true), psnr(_tensor(untouched), true), asked, drawn)


def rendered(size: int) -> Draw:
    """Draws heads of that size."""

    def draw(people: np.ndarray, circumstances: np.ndarray) -> np.ndarray:
        return np.stack([heads.render(i, a, size).image for i, a in zip(people, circumstances, strict=True)])

    return draw


def changed(vectors: np.ndarray, change: Change) -> np.ndarray:
    """Vectors [B, d] with one number changed, kept in its range."""
    place = [d.name for d in KNOWN[change.kind]].index(change.name)
    dimension, changed = KNOWN[change.kind][place], vectors.copy()
    then = vectors[:, place] + change.amount if change.relative else np.full(len(vectors), change.amount)
    if dimension.kind == "circular":
        changed[:, place] = dimension.low + (then - dimension.low) % (dimension.high - dimension.low)
    else:
        changed[:, place] = np.clip(then, dimension.low, dimension.high)
    return changed


def _tensor(images: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(images.transpose(0, 3, 1, 2)))
