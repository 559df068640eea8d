"""Which optimizer moves which weights, and how fast at each step."""

from typing import TYPE_CHECKING, Any, cast

import torch
from torch import Tensor, nn
from torch.optim import Adam, Optimizer

from pipeline.training.devices import has_bf16
from pipeline.training.gradients import as_it_lies
from pipeline.training.sharing import everywhere, shared_out

if TYPE_CHECKING:
    import pytorch_lightning as pl

SMALLEST = 16  # channels on either side; a layer with fewer reads or makes pixels, which Muon is not for
NEWTON_SCHULZ = 3  # steps; five, which is usual, gave the same figures here


class Muon(Optimizer):
    """Muon, with Nesterov's momentum (https://kellerjordan.github.io/posts/muon/); a row of a kernel is an output.

    torch's own is for matrices alone, takes twice as long for kernels, which are long, and knows no precision but bf16,
    which some processors emulate. This one moves views of the weights, so they have to stay where they are in memory:
    make it after the network has moved to its device and memory format.
    """

    def __init__(self, weights: list[nn.Parameter], lr: float, momentum: float) -> None:
        self.weights = weights
        w = weights[0]
        bf16 = w.dtype == torch.float32 and everywhere(has_bf16(on_gpu=w.is_cuda), w.device)
        self.precision = torch.bfloat16 if bf16 else w.dtype
        matrices = [nn.Parameter(as_it_lies(w.detach(), w).view(len(w), -1)) for w in weights]  # views, or an error
        super().__init__(matrices, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        with torch.enable_grad():
            loss = closure() if closure else None
        for group in self.param_groups:
            moving = [(w, m) for w, m in zip(self.weights, group["params"], strict=True) if w.grad is not None]
            ahead = [self._ahead(w, m, group["momentum"]).to(self.precision) for w, m in moving]
            with torch.autocast(self.weights[0].device.type, enabled=False):  # it would choose another precision
                updates = shared_out(orthogonal, ahead)
            for (_, matrix), update in zip(moving, updates, strict=True):
                rows, columns = matrix.shape
                matrix.add_(update, alpha=-group["lr"] * max(1, rows / columns) ** 0.5)
        return loss

    def _ahead(self, weight: nn.Parameter, matrix: Tensor, momentum: float) -> Tensor:
        """Nesterov's: the gradient, and where it has been going."""
        gradient, state = as_it_lies(cast(Tensor, weight.grad), weight).reshape(len(weight), -1), self.state[matrix]
        if "momentum_buffer" not in state:
            state["momentum_buffer"] = torch.zeros_like(matrix)
        return gradient.lerp(state["momentum_buffer"].lerp_(gradient, 1 - momentum), momentum)

    def zero_grad(self, set_to_none: bool = True) -> None:
        for weight in self.weights:
            weight.grad = None


def orthogonal(x: Tensor) -> Tensor:
    """A matrix with about the directions of x and singular values near 1, by steps of Newton-Schulz.

    Each step multiplies x by a polynomial in x x^T. All of them together are one small square matrix, so x, which is
    nine times as long as high where it is a kernel, is multiplied twice in all rather than twice a step.
    """
    y = x.T if len(x) > x.shape[1] else x
    y = y / y.norm().clamp(min=1e-7)
    gram = y @ y.T
    product = factor = _factor(gram)
    for _ in range(NEWTON_SCHULZ - 1):
        gram = factor @ gram @ factor
        factor = _factor(gram)
        product = factor @ product
    y = product @ y
    return y.T if len(x) > x.shape[1] else y


def _factor(gram: Tensor) -> Tensor:
    """What a step multiplies by, with Muon's coefficients."""
    factor = torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315)
    factor.diagonal().add_(3.4445)
    return factor


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
