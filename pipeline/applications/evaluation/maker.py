"""The trained model in its parts: codes of photographs, and faces of codes."""

import numpy as np
import torch
from torch import Tensor

from pipeline.applications.face_model import FaceModel
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.training.spread import CHUNK, chunks


class Maker:
    """The trained model in its parts.

    Args:
        network: the model.
    """

    def __init__(self, network: FaceModel) -> None:
        self.networks, self.device = network.networks, network.device

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
