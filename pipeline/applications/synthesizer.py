"""A trained model for other programs: `from pipeline.applications.synthesizer import FaceSynthesizer`.

Needs neither DVC nor W&B nor params.yaml: the folder says what the networks look like.
"""

import hashlib
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from pipeline import paths
from pipeline.applications import headers
from pipeline.applications.face_model import FaceModel
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.training import weights
from pipeline.training.spread import CHUNK

Array = TypeVar("Array", np.ndarray, Tensor)


class FaceSynthesizer:
    """Identity and attributes of aligned faces, and faces made of them, by a trained IP-GAN.

    Everything may be numpy or torch, and comes back as it was given. Images are aligned faces of `image_size` pixels:
    numpy uint8 [B, S, S, 3] RGB, or torch float [B, 3, S, S] in [-1, 1]. Codes are float32: f_I [B, identity_dim] and
    z [B, attribute_dim].

        model = FaceSynthesizer("models/train")
        faces = model.synthesize(model.identity(subjects), model.attributes(samples))

    Args:
        folder: what `train` or `export` wrote.

    Raises:
        WeightsError: the model is missing, damaged, or no IP-GAN.
    """

    def __init__(self, folder: Path | str = paths.MODEL) -> None:
        headers.check(Path(folder))
        self._model = FaceModel(Path(folder))
        self.cut, self.source = self._model.cut, self._model.source
        self.image_size = self.cut.image_size
        self.fingerprint = fingerprint(Path(folder) / weights.FILE)

    def identity(self, images: Array) -> Array:
        """f_I of each image: who it is."""
        return self._coded(images, lambda x: self._model.networks["identity"](x)[0])

    def attributes(self, images: Array) -> Array:
        """z of each image, at its mean: everything else that it shows."""
        return self._coded(images, lambda x: self._model.networks["attributes"](x)[0])

    @torch.inference_mode()
    def synthesize(self, f_I: Array, z: Array) -> Array:
        """The person of each f_I with what z says."""
        if len(f_I) != len(z) or f_I.ndim != 2 or z.ndim != 2:
            raise ValueError(f"f_I and z should be [B, …] each (got {tuple(f_I.shape)} and {tuple(z.shape)})")
        made: list[Tensor] = []
        for start in range(0, len(z), CHUNK):
            part = (torch.as_tensor(codes[start : start + CHUNK]).to(self._model.device) for codes in (f_I, z))
            made.append(self._model.networks["generator"](*part).cpu())
        x = torch.cat(made) if made else torch.empty(0, 3, self.image_size, self.image_size)
        return to_images(x) if isinstance(f_I, np.ndarray) else x.to(f_I.device)

    def person(self, images: Array) -> Array:
        """f_I of one person by several photographs, [1, identity_dim]: their mean, as long as each is on average."""
        f_I = torch.as_tensor(self.identity(images))
        mean = f_I.mean(dim=0, keepdim=True)
        mean = mean * (f_I.norm(dim=1).mean() / mean.norm().clamp_min(1e-12))
        return mean.numpy() if isinstance(images, np.ndarray) else mean

    @torch.inference_mode()
    def _coded(self, images: Array, network) -> Array:  # type: ignore[no-untyped-def]
        made = []
        for start in range(0, len(images), CHUNK):
            made.append(network(self._checked(images[start : start + CHUNK])).float().cpu())
        codes = torch.cat(made)
        return codes.numpy() if isinstance(images, np.ndarray) else codes.to(images.device)

    def _checked(self, images: np.ndarray | Tensor) -> Tensor:
        side = self.image_size
        shape = (side, side, 3) if isinstance(images, np.ndarray) else (3, side, side)
        if tuple(images.shape[1:]) != shape or (isinstance(images, np.ndarray) and images.dtype != np.uint8):
            raise ValueError(
                f"images should be numpy uint8 [B, {side}, {side}, 3] or torch float [B, 3, {side}, {side}] "
                f"(got {images.dtype} {tuple(images.shape)})"
            )
        x = to_tensor(images) if isinstance(images, np.ndarray) else images.float()
        return x.to(self._model.device, memory_format=torch.channels_last)


def fingerprint(file: Path) -> str:
    """By which a model is named in what it made: 16 digits of its weights' sha256."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()[:16]
