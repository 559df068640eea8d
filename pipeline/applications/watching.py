"""What a person sees of a training while it runs: whether faces are swapped, and how good they are.

On people of the val split, whom no network was trained on, and by the recogniser of `pretrain`, which G is trained to
please: it flatters, and shows early what goes wrong. The judges are kept for `evaluate`.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from pipeline.applications.face_model import BATCH, Recombiner
from pipeline.datasets.contact_sheet import tiled, write_png
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import EVALUATED, grid, pairs, protocol
from pipeline.datasets.shards import Faces
from pipeline.datasets.true_answers import true_recombinations
from pipeline.metrics.identity import Gallery, gallery, retrieve
from pipeline.metrics.truth import psnr
from pipeline.tracking import Run

GALLERY = 5  # photographs that stand for a person, as in the reported evaluation; none of them is an input
SAMPLES = 6  # of each person
PAIRS = 96  # about as many at most: more would take time from the training
GRID = (6, 8)  # subjects, samples


class Watch:
    """Recombines the same people again and again, and says what came of it.

    Args:
        faces: with at least three people in the split `val`.
        recogniser: image -> features, class scores; frozen here.
        folder: for the pictures, a file for each number of images seen.
        track: of the stage.

    Raises:
        ShardError: there are too few people to look at.
    """

    def __init__(self, faces: Faces, recogniser: nn.Module, folder: Path, track: Run) -> None:
        self.faces, self.folder, self.track = faces, folder, track
        self.recogniser = recogniser.eval().requires_grad_(False)
        self.people = protocol(faces, "val", GALLERY, EVALUATED)
        made = pairs(self.people, SAMPLES)
        self.pairs = made[:: max(1, len(made) // PAIRS)]
        self.grid_rows = grid(self.people, *GRID)
        self.among: Gallery | None = None  # both made when they are needed: in one process, on its device
        self.true: Tensor | None = None

    def record(self, values: Mapping[str, float], images: int, again: bool = False) -> None:
        """Track values; with those of `check` its picture."""
        self.track.log(values, images, again)
        if "val/own_subject" in values and not again:
            self.track.picture("val/grid", self._picture(images), "a row a person, a column a sample")

    def check(self, networks: Mapping[str, nn.Module], images: int) -> dict[str, float]:
        """The numbers of these networks; their picture is written into the folder.

        Returns:
            Mean cosines of C's features of x': `val/own_subject` with the person that x' should show,
            `val/own_sample` with the one it should not, `val/own_unrelated` with anyone else; and of rendered heads
            `val/psnr`, dB, to the true recombination.
        """
        model = Recombiner(networks)
        self.folder.mkdir(parents=True, exist_ok=True)
        subjects, samples = (self.faces.images(rows) for rows in self.grid_rows)
        write_png(self._picture(images), tiled(model.grid(subjects, samples)))
        outputs = np.stack(list(model.recombine_pairs(self.faces, self.pairs)))
        return self._identity(outputs, model.device) | self._truth(outputs)

    def _identity(self, outputs: np.ndarray, device: torch.device) -> dict[str, float]:
        if self.among is None:
            self.recogniser.to(device)
            shown = [(person, row) for person, rows in enumerate(self.people.gallery) for row in rows]
            whose, rows = (torch.tensor(column) for column in zip(*shown, strict=True))
            self.among = gallery(self._features(self.faces.images(rows)), whose)
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
        parts = (to_tensor(images[start : start + BATCH]) for start in range(0, len(images), BATCH))
        return torch.cat([self.recogniser(part.to(device))[0].float().cpu() for part in parts])

    def _truth(self, outputs: np.ndarray) -> dict[str, float]:
        if not self.faces.has("identity_vector"):
            return {}
        if self.true is None:
            rows = (np.array([getattr(pair, who) for pair in self.pairs]) for who in ("subject_row", "sample_row"))
            self.true = torch.from_numpy(true_recombinations(self.faces, *rows)).permute(0, 3, 1, 2)
        return {"val/psnr": float(psnr(torch.from_numpy(outputs).permute(0, 3, 1, 2), self.true).mean())}

    def _picture(self, images: int) -> Path:
        return self.folder / f"{images:09d}.png"
