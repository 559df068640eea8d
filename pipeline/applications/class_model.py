"""A trained CVAE-GAN as one function: a person's number and noise in, a face out. It knows its own people alone."""

from collections.abc import Iterator
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from pydantic import ValidationError

from pipeline.datasets.faces import Cut
from pipeline.datasets.pairs import to_images
from pipeline.methods import cvaegan_networks
from pipeline.networks import ClassGenerator
from pipeline.params import Model
from pipeline.training import weights
from pipeline.training.devices import device
from pipeline.training.spread import CHUNK, chunks, spread


class ClassModel:
    """x' = G(z, c), in float32, on the accelerator where there is one.

    Args:
        folder: what `train` wrote.
        expected: params.yaml's `model`, to refuse a model of another shape.

    Raises:
        WeightsError: the model is missing, damaged, or not of the expected shape.
    """

    def __init__(self, folder: Path, expected: Model) -> None:
        how = "dvc repro train"
        facts = weights.facts(folder, how)
        try:
            self.people: list[str] = facts["people"]  # names, in the order of their numbers
            image_size = Cut(**facts["cut"]).image_size
        except (KeyError, TypeError, ValidationError) as error:
            raise weights.WeightsError(f"{folder}: its header says too little ({error}); run `{how} -f`") from None
        self.generator = cvaegan_networks.networks(expected, image_size, len(self.people))["generator"]
        weights.load(folder, {"generator": self.generator}, how)
        self.generator.eval().to(device(), memory_format=torch.channels_last)

    def generate_all(self, z: np.ndarray, c: np.ndarray) -> Iterator[np.ndarray]:
        """One uint8 [S, S, 3] a row, in order, made by all processes; the first alone returns."""
        parts = chunks(np.arange(len(c)))
        return chain.from_iterable(spread(lambda i: generate(self.generator, z[parts[i]], c[parts[i]]), len(parts)))


@torch.inference_mode()
def generate(generator: ClassGenerator, z: np.ndarray, c: np.ndarray) -> np.ndarray:
    """Faces of people c, int64 [B], with noise z, float32 [B, z_dim]: uint8 [B, S, S, 3]."""
    where = next(generator.parameters()).device
    made = []
    for start in range(0, len(c), CHUNK):
        part = slice(start, start + CHUNK)
        made.append(to_images(generator(*(torch.from_numpy(x[part]).to(where) for x in (z, c)))))
    return np.concatenate(made)
