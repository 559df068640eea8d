"""An exponential moving average of chosen networks, in float32."""

import copy
from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim.swa_utils import get_ema_multi_avg_fn


class Average(pl.Callback):
    """Keeps averages of `networks` of the module, in `averages`.

    Lightning's own callback averages the whole module and counts every optimizer's steps.

    Args:
        networks: names of the module's networks.
        half_life: images after which half of an average is new.
        batch_size: images of a step, over all processes.
    """

    def __init__(self, networks: tuple[str, ...], half_life: int, batch_size: int) -> None:
        self.networks, self.half_life, self.batch_size = networks, half_life, batch_size
        self.averages: dict[str, nn.Module] = {}

    def on_train_start(self, trainer: pl.Trainer | None, module: pl.LightningModule) -> None:
        for name in self.networks:
            self.averages.setdefault(name, copy.deepcopy(getattr(module, name)).requires_grad_(False))

    def state_dict(self) -> dict[str, Any]:
        """The averages' weights by the networks' names."""
        return {name: average.state_dict() for name, average in self.averages.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        for name, average in self.averages.items():
            average.load_state_dict(state[name])

    @torch.no_grad()
    def on_train_batch_end(self, trainer: pl.Trainer, module: Any, *_: Any) -> None:
        seen = module.batches_done * self.batch_size
        # Early on the half-life is a twentieth of what was seen, so that the first weights are soon forgotten.
        keep = 0.5 ** (self.batch_size / max(min(self.half_life, seen / 20), 1e-8)) if self.half_life else 0.0
        move = get_ema_multi_avg_fn(keep)  # all weights at once, which a GPU has much of
        for name, average in self.averages.items():
            move(list(average.parameters()), list(getattr(module, name).parameters()), 0)
