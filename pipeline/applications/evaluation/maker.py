"""The trained model in its parts: codes of photographs, and faces of codes."""

from typing import NamedTuple, Self

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.evaluation.side_by_side import side_by_side
from pipeline.applications.face_model import FaceModel
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.datasets.shards import Faces
from pipeline.training.spread import CHUNK, chunks


class Codes(NamedTuple):
    """What I and A say of images."""

    f_I: Tensor  # float [B, d]
    z: Tensor  # float [B, d], the mean of it


class Maker:
    """The trained model in its parts.

    Args:
        network: the model.
    """

    def __init__(self, network: FaceModel) -> None:
        self.networks, self.device = network.networks, network.device
        self.known: Codes | None = None
        self.place: dict[int, int] = {}

    def knowing(self, faces: Faces, rows: np.ndarray, copied: bool) -> Self:
        """Itself, with the codes of photographs that several will ask for: made by all cores, as `side_by_side` is."""
        parts = chunks(rows)

        def seen(part: int) -> list[Tensor]:
            return [code.cpu() for code in self.codes(faces.images(parts[part]))]

        made = side_by_side(seen, len(parts), copied)
        self.known = Codes(*(torch.cat(codes).to(self.device) for codes in zip(*made, strict=True)))
        self.place = {row: i for i, row in enumerate(rows.tolist())}
        return self

    def of(self, faces: Faces, rows: np.ndarray) -> Codes:
        """Codes of photographs."""
        if self.known is None or not self.place.keys() >= set(rows.tolist()):
            return self.codes(faces.images(rows))
        places = [self.place[row] for row in rows.tolist()]
        return Codes(*(codes[places] for codes in self.known))

    def codes(self, images: np.ndarray) -> Codes:
        """Codes of images, uint8 [B, S, S, 3]."""
        return Codes(self.identity(images), self.attributes(images))

    def identity(self, images: np.ndarray) -> Tensor:
        """f_I of images, uint8 [B, S, S, 3]; float [B, d]."""
        return self._code("identity", images)

    def attributes(self, images: np.ndarray) -> Tensor:
        """The mean of z of images, uint8 [B, S, S, 3]; float [B, d]."""
        return self._code("attributes", images)

    @torch.inference_mode()
    def _code(self, name: str, images: np.ndarray) -> Tensor:
        return torch.cat([self.networks[name](to_tensor(part).to(self.device))[0] for part in chunks(images)])

    @torch.inference_mode()
    def faces(self, f_I: Tensor, z: Tensor) -> np.ndarray:
        """Images of these codes, row by row: uint8 [B, S, S, 3]."""
        made = [self.networks["generator"](*part) for part in zip(f_I.split(CHUNK), z.split(CHUNK), strict=True)]
        return np.concatenate([to_images(x) for x in made])
