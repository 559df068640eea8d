"""How the recognisers learn: the start of I and C, and the judge, each alone and before the generator."""

import math
from collections.abc import Sequence

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import smooth_l1_loss
from torch.optim import Optimizer

from pipeline import losses
from pipeline.datasets.labelled import Labelled
from pipeline.judges.scales import Dimension, attribute_loss
from pipeline.methods.recogniser import margin_and_scale
from pipeline.params import Judge, Recogniser
from pipeline.training.gradients import average_gradients
from pipeline.training.optimizers import optimizers, take_step, warm_up

LANDMARKS_BETA = 0.05  # share of half the image, below which an error counts by its square


class Recognition(pl.LightningModule):
    """Fits `network`, which gives features and class scores, to tell people apart."""

    def __init__(self, network: nn.Module, schedule: Recogniser, normalized: bool) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.network = network
        self.schedule = schedule
        self.margin_and_scale = margin_and_scale(normalized, schedule)
        self.batches_done = 0

    def training_step(self, batch: Labelled, batch_idx: int) -> None:
        L, logged = self.objective(batch)
        self.manual_backward(L)
        average_gradients(self.network.parameters())
        take_step(self, self.rate())
        self.batches_done += 1
        self.logged = logged

    def objective(self, batch: Labelled) -> tuple[Tensor, dict[str, Tensor]]:
        """What is minimized, and what is logged of it."""
        _, scores = self.network(batch.x)
        L, logged = self.identity_terms(scores, batch.c)
        return L, {f"pretrain/{name}": value for name, value in logged.items()}

    def identity_terms(self, scores: Tensor, c: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
        L = losses.classification(scores, c, *self.margin_and_scale)
        return L, {"loss": L.detach(), "top1": (scores.argmax(1) == c).float().mean()}

    def rate(self) -> float:
        """Factor of the learning rates at the step that is due: half a cosine, after a warm-up of a fiftieth."""
        seen = self.batches_done * self.schedule.batch_size / self.schedule.images
        return warm_up(seen) * 0.5 * (1 + math.cos(math.pi * min(seen, 1)))

    def configure_optimizers(self) -> list[Optimizer]:
        s = self.schedule
        return optimizers(self.network, s.learning_rate, s.matrix_learning_rate, betas=(0.9, 0.99))


class JudgeTraining(Recognition):
    """Fits the judge: people, attributes and landmarks at once."""

    def __init__(self, network: nn.Module, schedule: Judge, dimensions: Sequence[Dimension]) -> None:
        super().__init__(network, schedule, normalized=True)
        self.attribute_weight = schedule.attribute_weight
        self.dimensions = dimensions

    def objective(self, batch: Labelled) -> tuple[Tensor, dict[str, Tensor]]:
        said = self.network(batch.x)
        L, logged = self.identity_terms(said.cosines, batch.c)
        L_attributes = attribute_loss(said.attributes, batch.attributes, self.dimensions)
        L_landmarks = smooth_l1_loss(said.landmarks, batch.landmarks, beta=LANDMARKS_BETA)
        logged |= {"attribute_loss": L_attributes.detach(), "landmark_loss": L_landmarks.detach()}
        total = torch.add(L, L_attributes + L_landmarks, alpha=self.attribute_weight)
        return total, {f"judge/{name}": value for name, value in logged.items()}
