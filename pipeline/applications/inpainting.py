"""`python -m pipeline inpaint`: a part of a face that is covered, filled in by a CVAE-GAN that knows the person.

As in section 5.5 of arXiv:1703.10155: E reads z from what there is, G draws the face again, what it drew fills the
part, and E reads again.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from pipeline import paths
from pipeline.applications import deliveries, headers, marks
from pipeline.applications.portraits import Portrait, Portraits, check_named
from pipeline.applications.synthesizer import fingerprint
from pipeline.datasets.faces import Cut
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.datasets.photographs.alignment import align
from pipeline.datasets.photographs.decoding import Undecodable, decode, read
from pipeline.errors import UserError
from pipeline.methods import cvaegan_networks
from pipeline.params import Model
from pipeline.training import weights
from pipeline.training.devices import device

NETWORKS = ("encoder", "generator")
HOW = "dvc exp run -S model.method=cvaegan"
CLOSEST = 3  # names that a sentence offers in place of one that is unknown


class Painter:
    """E and G of a trained CVAE-GAN, and the people that they know.

    Args:
        folder: what `train` wrote.

    Raises:
        UserError: the model is missing, damaged, or no CVAE-GAN.
    """

    def __init__(self, folder: Path = paths.MODEL) -> None:
        facts = headers.facts(folder, HOW)
        if "people" not in facts:
            raise UserError(
                f"{folder}: this model is no CVAE-GAN; `{HOW}` trains one, which can fill in its own people"
            )
        headers.check(folder, cvaegan_networks.networks, NETWORKS)
        self.people = _people(folder, facts)
        self.cut = Cut(**facts["cut"])
        made = cvaegan_networks.networks(Model.model_validate(facts["model"]), self.cut.image_size, len(self.people))
        self.networks: dict[str, nn.Module] = {name: made[name].eval() for name in NETWORKS}
        weights.load(folder, self.networks, HOW)
        self.device = device()
        for network in self.networks.values():
            network.to(self.device)
        self.fingerprint = fingerprint(folder / weights.FILE)

    def number(self, person: str) -> int:
        """Raises UserError for a person that it was not trained on."""
        if person in self.people:
            return self.people.index(person)
        some = ", ".join(self.people[:CLOSEST])
        raise UserError(f"{person}: this model does not know that person; it knows {len(self.people)}: {some}, …")

    @torch.inference_mode()
    def fill(self, image: np.ndarray, hole: np.ndarray, person: str, steps: int) -> np.ndarray:
        """The face with its hole filled.

        Args:
            image: uint8 [S, S, 3], aligned.
            hole: bool [S, S]; True is to be made up.
            person: one that the model knows.
            steps: of reading and drawing again.

        Returns:
            uint8 [S, S, 3]; outside the hole, the image's own pixels.
        """
        c = torch.tensor([self.number(person)], device=self.device)
        x, covered = to_tensor(image[None]).to(self.device), torch.from_numpy(hole)[None, None].to(self.device)
        *_, x = filled(self.networks["encoder"], self.networks["generator"], x, covered, c, steps)
        return np.where(hole[:, :, None], to_images(x)[0], image)


def filled(
    encoder: nn.Module, generator: nn.Module, x: Tensor, hole: Tensor, c: Tensor, steps: int
) -> Iterator[Tensor]:
    """What stands in the hole after each step: x [1, 3, S, S] in [-1, 1], hole bool [1, 1, S, S], c [1].

    It begins with the mean of what is seen, for whatever covers the face says nothing of it.
    """
    seen = ~hole
    x = torch.where(hole, (x * seen).sum(dim=(2, 3), keepdim=True) / seen.sum().clamp_min(1), x)
    for _ in range(steps):
        mu, _ = encoder(x, c)
        x = torch.where(hole, generator(mu, c), x)
        yield x


def inpaint(photograph: Path, mask: Path, person: str, steps: int, out: Path) -> dict[str, Any]:
    """Write the aligned face with what the mask covers filled in.

    Args:
        photograph: shows the person.
        mask: as large as the photograph; white where it is to be made up.
        person: by the name that the training knew.
        steps: of reading and drawing again.
        out: ends in .png, or is `-`.

    Returns:
        What stands in the file beside it.

    Raises:
        UserError: a file does not do, the model does not know the person, or is none that could.
    """
    check_named([photograph, mask], out)
    painter = Painter()
    painter.number(person)
    whole, portrait = Portraits(painter.cut).within(photograph)
    image = painter.fill(portrait.face.image, _hole(mask, whole.shape, portrait, painter.cut), person, steps)
    inputs = {"photograph": str(photograph), "mask": str(mask), "person": person}
    made = {"out": str(out), "model": painter.fingerprint, "inputs": inputs, "settings": {"steps": steps}}
    deliveries.file(out, marks.png(image, painter.fingerprint, marks.PASTED), made)
    return made


def _people(folder: Path, facts: dict[str, Any]) -> list[str]:
    """The names that the header lists, one for each number that the networks know."""
    people = facts["people"]
    if not isinstance(people, list) or len(people) != facts["identities"] or not all(type(p) is str for p in people):
        raise weights.WeightsError(
            f"{folder / weights.FILE}: its header does not name the people that its networks know; it is damaged: "
            f"make it again with `{HOW}`, or fetch it again"
        )
    return people


def _hole(file: Path, shape: tuple[int, ...], portrait: Portrait, cut: Cut) -> np.ndarray:
    """The mask of a photograph of this shape as the face was cut out: bool [S, S]."""
    try:
        mask = decode(read(file))
    except Undecodable as error:
        raise UserError(
            f"{file}: {error.detail}; the mask is a picture, white where the face is to be made up"
        ) from None
    if mask.shape != shape:
        (height, width), (h, w) = shape[:2], mask.shape[:2]
        raise UserError(f"{file}: the mask is {w} x {h} pixels and the photograph {width} x {height}: make them alike")
    assert portrait.face.points is not None
    hole = align(mask, portrait.face.points, cut.image_size, cut.margin)[0].mean(axis=2) > 127
    if not hole.any() or hole.all():
        raise UserError(f"{file}: {'all' if hole.all() else 'nothing'} of the face is white; cover a part of it")
    return np.asarray(hole)
