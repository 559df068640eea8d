"""The step that both methods share: every network along the gradient of its own objective, at the same parameters.

"Asymmetric training" is the papers' name for networks that share a forward pass and minimize different things.
"""

from collections.abc import Mapping
from typing import Any, ClassVar

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from pipeline.params import Train
from pipeline.training.gradients import average_gradients
from pipeline.training.optimizers import optimizers, take_step, warm_up

Objectives = dict[str, dict[str, float]]  # network -> term -> weight
Pass = tuple[list[str], dict[str, float]]  # networks whose gradients one backward pass gives, and its term -> weight


class AsymmetricTraining(pl.LightningModule):
    """Networks by name, as attributes; a method adds terms, objectives and a `training_step`."""

    NETWORKS: ClassVar[tuple[str, ...]]
    AVERAGED: ClassVar[tuple[str, ...]]  # those of which use takes the average
    REACHES: ClassVar[Mapping[str, set[str]]]  # term -> networks that its gradient can reach
    HURRY: ClassVar[Mapping[str, float]] = {}  # network -> factor of its learning rate; Adam alone moves it

    def __init__(self, networks: Mapping[str, nn.Module], train: Train) -> None:
        super().__init__()
        self.automatic_optimization = False
        for name in self.NETWORKS:
            self.add_module(name, networks[name])
        self.schedule = train
        self.batches_done = 0  # not trainer.global_step, which counts every optimizer's steps
        self.logged: dict[str, Tensor] = {}

    def objectives(self, same: bool) -> Objectives:
        """What each network minimizes: the weight of every term. This table is the method.

        Args:
            same: the batch's images show one person each; not every method has others.
        """
        raise NotImplementedError

    def update(self, L: Mapping[str, Tensor], table: Objectives) -> None:
        """One step of each network along the gradient of its own objective, all taken at the same parameters."""
        for names, weights in passes(table, self.REACHES):
            objective = torch.stack([w * L[term] for term, w in weights.items()]).sum()
            inputs = [p for name in names for p in getattr(self, name).parameters()]
            self.manual_backward(objective, inputs=inputs, retain_graph=True)
        for name in table:
            average_gradients(getattr(self, name).parameters())
        take_step(self, self.rate())

    def rate(self) -> float:
        """Factor of the learning rates at the step that is due. `linear` rises for a fiftieth of the images first."""
        seen = self.batches_done * self.schedule.batch_size / self.schedule.images
        return warm_up(seen) * max(0.0, 1 - seen) if self.schedule.learning_rate_schedule == "linear" else 1

    def configure_optimizers(self) -> list[Optimizer]:
        t, made = self.schedule, []
        for name in self.objectives(same=True):
            matrix_rate = 0.0 if name in self.HURRY else t.matrix_learning_rate
            rate = self.HURRY.get(name, 1.0) * t.learning_rate
            made += optimizers(getattr(self, name), rate, matrix_rate, (t.beta1, 0.99))
        return made


def passes(table: Objectives, reaches: Mapping[str, set[str]]) -> list[Pass]:
    """As few backward passes as give every network the gradient of its own objective and of nothing else.

    Two networks share one where each term that reaches either has the weight that this network gives it: a term
    of the one that cannot reach the other does no harm.
    """
    found: list[Pass] = []
    for name, objective in table.items():
        own = {term: w for term, w in objective.items() if w}
        if not own:
            continue  # nothing to learn in this kind of step
        for names, weights in found:
            both = weights | own
            if all(
                table[other].get(term, 0.0) == w for term, w in both.items() for other in reaches[term] & {name, *names}
            ):
                names.append(name)
                weights.update(own)
                break
        else:
            found.append(([name], own))
    return found


def logged(L: Mapping[str, Tensor], **renamed: str) -> dict[str, Any]:
    """The terms as curves: `train/L_KL` and so on."""
    return {f"train/{renamed.get(term, term)}": value.detach() for term, value in L.items()}
