"""Which optimizer moves which weights, and how fast at each step."""

from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

SMALLEST = 16  # channels on either side; a layer with fewer reads or makes pixels, which Muon is not for


class Muon(torch.optim.Muon):
    """Muon (https://kellerjordan.github.io/posts/muon/) for convolutions too: a kernel is a matrix, a row an output.

    torch's own takes nothing but matrices. This one hands it views of the weights, so they have to stay where they
    are in memory: make it after the network has moved to its device and memory format.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float) -> None:
        self.weights = weights
        # Newton-Schulz steps: five by default; three gave the same figures here in two thirds of the time.
        super().__init__(
            [nn.Parameter(_rows(w.detach(), w).view(len(w), -1)) for w in weights],  # a view, or an error
            lr=lr,
            momentum=momentum,
            weight_decay=0.0,
            ns_steps=3,
        )

    def step(self, closure: Any = None) -> Any:
        for weight, matrix in zip(self.weights, self.param_groups[0]["params"], strict=True):
            matrix.grad = None if weight.grad is None else _rows(weight.grad, weight).reshape(len(weight), -1)
        return super().step(closure)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def optimizers(
    network: nn.Module, learning_rate: float, matrix_learning_rate: float, betas: tuple[float, float]
) -> list[Optimizer]:
    """Adam for a network's weights, or, with a `matrix_learning_rate`, Muon for its matrices and Adam for the rest.

    A table of embeddings is no matrix: a step has the gradient of few of its rows.
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    tables = {id(m.weight) for m in network.modules() if isinstance(m, nn.Embedding)}
    large = [p for p in parameters if p.ndim > 1 and min(p.shape[:2]) >= SMALLEST and id(p) not in tables]
    matrices = large if matrix_learning_rate else []
    chosen = {id(p) for p in matrices}
    rest = [p for p in parameters if id(p) not in chosen]
    made: list[Optimizer] = [Adam(rest, lr=learning_rate, betas=betas, fused=True)]
    if matrices:
        made.append(Muon(matrices, lr=matrix_learning_rate, momentum=betas[0]))
    return made


def take_step(module: pl.LightningModule, factor: float) -> None:
    """One step of every optimizer of a module, at `factor` of the rate it was made with; the gradients go."""
    found = module.optimizers()
    for optimizer in found if isinstance(found, list) else [found]:
        for group in optimizer.param_groups:
            group["lr"] = factor * group.setdefault("initial_lr", group["lr"])  # the name that torch's schedulers use
        optimizer.step()
        optimizer.zero_grad()


def warm_up(seen: float) -> float:
    """Factor of the learning rate when that share of the images was seen: up to 1 over the first fiftieth."""
    return min(1.0, 50 * seen + 0.02)


def _rows(x: Tensor, like: Tensor) -> Tensor:
    """x with its outputs first and the rest in the order in which `like` lies in memory."""
    return x.permute(0, 2, 3, 1) if like.ndim == 4 and like.is_contiguous(memory_format=torch.channels_last) else x
