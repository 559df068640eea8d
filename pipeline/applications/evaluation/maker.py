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

    @torch.inference_mode()
    def codes(self, images: np.ndarray) -> tuple[Tensor, Tensor]:
        """f_I and the mean of z of images, uint8 [B, S, S, 3]; float [B, d] each."""
        f_I, z = [], []
        for part in chunks(images):
            x = to_tensor(part).to(self.device)
            f_I.append(self.networks["identity"](x)[0])
            z.append(self.networks["attributes"](x)[0])
        return torch.cat(f_I), torch.cat(z)

    @torch.inference_mode()
    def faces(self, f_I: Tensor, z: Tensor) -> np.ndarray:
        """Images of these codes, row by row: uint8 [B, S, S, 3]."""
        made = [self.networks["generator"](*part) for part in zip(f_I.split(CHUNK), z.split(CHUNK), strict=True)]
        return np.concatenate([to_images(x) for x in made])
