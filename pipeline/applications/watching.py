"""What a person sees of a training while it runs: whether faces are swapped, and how good they are.

On people of the val split, whom no network was trained on (with CVAE-GAN on some that it knows), and by the recogniser
of `pretrain`, which G is trained to please: it flatters, and shows early what goes wrong. The judges are kept for
`evaluate`.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.applications.class_model import generate
from pipeline.applications.face_model import Recombiner
from pipeline.datasets.contact_sheet import tiled, write_png
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import EVALUATED, Protocol, grid, pairs, protocol
from pipeline.datasets.shards import Faces
from pipeline.datasets.true_answers import true_recombinations
from pipeline.metrics.identity import Gallery, gallery, retrieve
from pipeline.metrics.truth import psnr
from pipeline.networks import ClassGenerator
from pipeline.tracking import Run
from pipeline.training.devices import device
from pipeline.training.spread import CHUNK

GALLERY = 5  # photographs that stand for a person, as in the reported evaluation; none of them is an input
PEOPLE = 24  # at most: the first ones
SAMPLES = 6  # of each person
PAIRS = 96  # about as many at most: more would take time from the training
GRID = (6, 8)  # subjects, samples


class Watch:
    """Makes faces of the same people again and again, and says what came of it.

    Args:
        faces: with at least three people in the split.
        recogniser: image -> features, class scores; frozen here.
        folder: for the pictures, a file for each number of images seen.
        track: of the stage.

    Raises:
        ShardError: there are too few people to look at.
    """

    SPLIT = "val"

    def __init__(self, faces: Faces, recogniser: nn.Module, folder: Path, track: Run) -> None:
        self.faces, self.folder, self.track = faces, folder, track
        self.recogniser = recogniser.eval().requires_grad_(False)
        names, *photographs = protocol(faces, self.SPLIT, GALLERY, EVALUATED)
        self.people = Protocol(names[:PEOPLE], *(rows[:PEOPLE] for rows in photographs))
        made = pairs(self.people, SAMPLES)
        self.pairs = made[:: max(1, len(made) // PAIRS)]
        self.grid_rows = grid(self.people, *GRID)
        self.shown: Gallery | None = None  # both made when they are needed: in one process, on its device
        self.true: Tensor | None = None

    def record(self, values: Mapping[str, float], images: int, again: bool = False) -> None:
        """Track values, with those of `check` its picture; `again` where an interrupted training had them tracked."""
        self.track.log(values, images, again)
        if "val/own_subject" in values and not again:
            self.track.picture("val/grid", self._picture(images), "a row a person")

    def check(self, networks: Mapping[str, nn.Module], images: int) -> dict[str, float]:
        """The numbers of these networks; their picture is written into the folder.

        Returns:
            Mean cosines of C's features of x': `val/own_subject` with the person that x' should show,
            `val/own_sample` with the one it should not, `val/own_unrelated` with anyone else; and of rendered heads
            `val/psnr`, dB, to the true recombination.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        outputs, rows = self._made(networks)
        write_png(self._picture(images), tiled(rows))
        return self._identity(outputs) | self._truth(outputs)

    def _made(self, networks: Mapping[str, nn.Module]) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        """The faces that are scored, uint8 [B, S, S, 3], and rows of the picture."""
        model = Recombiner(networks)
        shown = ([getattr(pair, who) for pair in self.pairs] for who in ("subject_row", "sample_row"))
        outputs = model.recombine(*map(self.faces.images, shown))
        return outputs, model.grid(*(self.faces.images(rows) for rows in self.grid_rows))

    @property
    def among(self) -> Gallery:
        """The people as C sees them."""
        if self.shown is None:
            self.recogniser.to(device())
            shown = [(person, row) for person, rows in enumerate(self.people.gallery) for row in rows]
            whose, rows = (torch.tensor(column) for column in zip(*shown, strict=True))
            self.shown = gallery(self._features(self.faces.images(rows)), whose)
        return self.shown

    def _identity(self, outputs: np.ndarray) -> dict[str, float]:
        subject, sample = (torch.tensor([getattr(pair, who) for pair in self.pairs]) for who in ("subject", "sample"))
        found = torch.ones(len(outputs), dtype=torch.bool)
        said = retrieve(self._features(outputs), subject, sample, found, self.among)
        return {
            "val/own_subject": float(said.cosine_subject.mean()),
            "val/own_sample": float(said.cosine_sample.mean()),
            "val/own_unrelated": float(said.cosine_unrelated.mean()),
        }

    @torch.no_grad()
    def _features(self, images: np.ndarray) -> Tensor:
        """[B, d] on the CPU."""
        device = next(self.recogniser.parameters()).device
        parts = (to_tensor(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK))
        return torch.cat([self.recogniser(part.to(device))[0].float().cpu() for part in parts])

    def _truth(self, outputs: np.ndarray) -> dict[str, float]:
        rows = [np.array([getattr(pair, who) for pair in self.pairs]) for who in ("subject_row", "sample_row")]
        if not self.faces.has("identity_vector", np.concatenate(rows)):
            return {}
        if self.true is None:
            self.true = torch.from_numpy(true_recombinations(self.faces, *rows)).permute(0, 3, 1, 2)
        return {"val/psnr": float(psnr(torch.from_numpy(outputs).permute(0, 3, 1, 2), self.true).mean())}

    def _picture(self, images: int) -> Path:
        return self.folder / f"{images:09d}.png"


class ClassWatch(Watch):
    """The same for CVAE-GAN, which is given people by number: some that it knows, and draws from the prior.

    `val/own_sample` and `val/psnr` are not defined for it: it is given no sample.
    """

    SPLIT = "train"

    def _made(self, networks: Mapping[str, nn.Module]) -> tuple[np.ndarray, list[list[np.ndarray]]]:
        own = np.unique(self.faces.column("identity", self.faces.of_split(self.SPLIT)))  # in the order of their numbers
        number = np.searchsorted(own, np.array(self.people.names, own.dtype))
        generator = cast(ClassGenerator, networks["generator"])
        draws = np.random.default_rng(0).standard_normal((len(self.pairs), generator.z_dim), dtype=np.float32)
        outputs = generate(generator, draws, number[[pair.subject for pair in self.pairs]])
        rows = []
        for person, probes in enumerate(self.people.probes[: GRID[0]]):
            of_person = generate(generator, draws[: GRID[1]], np.repeat(number[person], GRID[1]))
            rows.append([self.faces.image(int(probes[0])), *of_person])
        return outputs, rows

    def _identity(self, outputs: np.ndarray) -> dict[str, float]:
        return {name: value for name, value in super()._identity(outputs).items() if name != "val/own_sample"}

    def _truth(self, outputs: np.ndarray) -> dict[str, float]:
        return {}


WATCHES = {"ipgan": Watch, "cvaegan": ClassWatch}
