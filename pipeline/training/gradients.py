"""Gradients over processes: one flat reduction a network and step."""

from collections.abc import Iterable

import torch
from torch import distributed, nn


def average_gradients(parameters: Iterable[nn.Parameter]) -> None:
    """Replace every gradient by its mean over all processes.

    Right where the objective is a mean over samples and every process has the same number of them. One flat
    all_reduce a network, as StyleGAN3 does, rather than DDP's hooks, which cannot follow several objectives.
    """
    if not (distributed.is_available() and distributed.is_initialized()) or distributed.get_world_size() == 1:
        return
    gradients = [p.grad for p in parameters if p.grad is not None]
    if not gradients:
        return
    flat = torch.cat([g.flatten() for g in gradients])
    distributed.all_reduce(flat)
    flat /= distributed.get_world_size()
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))
