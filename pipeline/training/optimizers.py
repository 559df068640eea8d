"""Which optimizer moves which weights, and how fast at each step."""

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from pipeline.training.devices import has_bf16

if TYPE_CHECKING:
    import pytorch_lightning as pl

SMALLEST = 16  # channels on either side; a layer with fewer reads or makes pixels, which Muon is not for


class Muon(torch.optim.Muon):
    """Muon (https://kellerjordan.github.io/posts/muon/) for convolutions too: a kernel is a matrix, a row an output.

    torch's own takes nothing but matrices. This one hands it views of the weights, so they have to stay where they
    are in memory: make it after the network has moved to its device and memory format.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float) -> None:
        self.weights = weights
        self.in_bf16 = has_bf16(on_gpu=weights[0].is_cuda)
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
        if self.in_bf16:
            return super().step(closure)
        loss = closure() if closure else None
        for group in self.param_groups:
            self._step_in_full(group)
        return loss

    @torch.no_grad()
    def _step_in_full(self, group: dict[str, Any]) -> None:
        """What torch's own does in bf16, in the weights' precision: 30 times as fast where bf16 is emulated."""
        for matrix in (p for p in group["params"] if p.grad is not None):
            rows, columns = matrix.shape
            state = self.state[matrix]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            momentum = state["momentum_buffer"].lerp_(matrix.grad, 1 - group["momentum"])
            ahead = matrix.grad.lerp(momentum, group["momentum"])  # Nesterov's
            update = _orthogonal(ahead, group["ns_coefficients"], group["ns_steps"], group["eps"])
            matrix.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)

    def zero_grad(self, set_to_none: bool = True) -> None:
        super().zero_grad(set_to_none)
        for weight in self.weights:
            weight.grad = None


def _orthogonal(x: Tensor, coefficients: tuple[float, float, float], steps: int, eps: float) -> Tensor:
    """A matrix with about the directions of x and singular values near 1, by steps of Newton-Schulz."""
    a, b, c = coefficients
    y = x.T if len(x) > x.shape[1] else x
    y = y / y.norm().clamp(min=eps)
    for _ in range(steps):
        gram = y @ y.T
        y = torch.addmm(y, torch.addmm(gram, gram, gram, beta=b, alpha=c), y, beta=a)
    return y.T if len(x) > x.shape[1] else y


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


def take_step(module: "pl.LightningModule", factor: float) -> None:
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
