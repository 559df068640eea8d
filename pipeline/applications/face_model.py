"""A trained model as one function: photographs of a subject and of samples in, recombinations out."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError
from torch import nn

from pipeline.datasets.faces import Cut
from pipeline.datasets.pairs import to_images, to_tensor
from pipeline.datasets.protocol import Pair
from pipeline.datasets.shards import Faces
from pipeline.methods import ipgan_networks
from pipeline.params import Model
from pipeline.training import weights
from pipeline.training.devices import device
from pipeline.training.spread import CHUNK, chunks, spread


class Recombiner:
    """x' = G(f_I(x_s), mu(x_a)) by these networks, where they are and in the mode they are in.

    Args:
        networks: I, A and G as `identity`, `attributes` and `generator`.
    """

    def __init__(self, networks: Mapping[str, nn.Module]) -> None:
        self.networks = networks
        self.device = next(networks["generator"].parameters()).device

    @torch.inference_mode()
    def recombine(self, subjects: np.ndarray, samples: np.ndarray) -> np.ndarray:
        """The persons of `subjects` as `samples` show theirs, row by row: uint8 [B, S, S, 3] each and out."""
        made = []
        for start in range(0, len(subjects), CHUNK):
            part = slice(start, start + CHUNK)
            x_s, x_a = (to_tensor(images[part]).to(self.device) for images in (subjects, samples))
            f_I, _ = self.networks["identity"](x_s)
            mu, _ = self.networks["attributes"](x_a)
            made.append(to_images(self.networks["generator"](f_I, mu)))
        return np.concatenate(made)

    @torch.inference_mode()
    def identity(self, images: np.ndarray) -> np.ndarray:
        """f_I of images, uint8 [B, S, S, 3] => float32 [B, d]."""
        f_I = [self.networks["identity"](to_tensor(part).to(self.device))[0].float().cpu() for part in chunks(images)]
        return torch.cat(f_I).numpy()

    def grid(self, subjects: np.ndarray, samples: np.ndarray) -> list[list[np.ndarray]]:
        """Every subject with every sample, framed by the photographs: first column subjects, first row samples."""
        blank = np.full_like(subjects[0], 255)
        rows = [[blank, *samples]]
        for subject in subjects:
            rows.append([subject, *self.recombine(np.stack([subject] * len(samples)), samples)])
        return rows


class FaceModel(Recombiner):
    """What `train` wrote, in evaluation mode, in float32, on the accelerator where there is one.

    Args:
        folder: what `train` wrote.
        expected: params.yaml's `model`, to refuse a model of another shape; None takes whatever is there.

    Raises:
        WeightsError: the model is missing, damaged, or not of the expected shape.
    """

    def __init__(self, folder: Path, expected: Model | None = None) -> None:
        how = "dvc repro train"
        self.facts = weights.facts(folder, how)
        try:
            model = expected or Model.model_validate(self.facts["model"])
            self.cut, self.source = Cut(**self.facts["cut"]), str(self.facts["source"])
            networks = ipgan_networks.networks(model, self.cut.image_size, int(self.facts["identities"]))
        except (KeyError, TypeError, ValidationError) as error:
            raise weights.WeightsError(f"{folder}: its header says too little ({error}); run `{how} -f`") from None
        networks = {name: networks[name].eval() for name in ("identity", "attributes", "generator")}
        weights.load(folder, networks, how)
        for network in networks.values():
            network.to(device(), memory_format=torch.channels_last)
        super().__init__(networks)

    def recombine_pairs(self, faces: Faces, pairs: Sequence[Pair]) -> Iterator[np.ndarray]:
        """One uint8 [S, S, 3] a pair, in order, made by all processes; the first alone returns."""
        parts = chunks(pairs)

        def made(part: int) -> np.ndarray:
            subjects = faces.images(pair.subject_row for pair in parts[part])
            samples = faces.images(pair.sample_row for pair in parts[part])
            return self.recombine(subjects, samples)

        return chain.from_iterable(spread(made, len(parts)))
