"""The terms of IP-GAN (Bao et al. 2018, arXiv:1803.11182), one pure function each.

Every function returns a scalar: summed over the features of a sample, averaged over the batch. Weights are the
caller's. Symbols are the paper's.
"""

import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity, cross_entropy, one_hot, softplus


def classification(scores: Tensor, c: Tensor, margin: float = 0.0, scale: float = 1.0) -> Tensor:
    """L_I and L_C: -log P(c given x).

    Where scores are cosines, the true class may have to win by a margin (CosFace, arXiv:1801.09414, eq. 4).

    Args:
        scores: [B, identities]; logits, or cosines.
        c: identity of each sample, int64 [B].
        margin: subtracted from the score of the true class.
        scale: factor before the softmax; cosines need one, or every class stays likely.
    """
    scores = _full(scores)
    return cross_entropy(scale * (scores - margin * one_hot(c, scores.shape[1]).to(scores.dtype)), c)


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """L_KL: divergence of N(mu, exp(logvar)) from the standard normal, [B, d] each."""
    _same_shape(mu, logvar)
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(dim=1).mean()


def half_squared_distance(a: Tensor, b: Tensor) -> Tensor:
    """Half the squared L2 distance: L_GR on images, L_GD and L_GC on features.

    Raises:
        ValueError: the shapes differ (broadcasting would hide a mistake).
    """
    _same_shape(a, b)
    return 0.5 * (_full(a) - _full(b)).square().flatten(1).sum(dim=1).mean()


def absolute_distance(a: Tensor, b: Tensor) -> Tensor:
    """L_GA, ours: the L1 distance of two images; keeps edges that a squared distance lets blur."""
    _same_shape(a, b)
    return (_full(a) - _full(b)).abs().flatten(1).sum(dim=1).mean()


def cosine_distance(a: Tensor, b: Tensor) -> Tensor:
    """1 - cosine, [B, d] each: L_GC where features have no length that means anything (ours)."""
    _same_shape(a, b)
    return (1 - cosine_similarity(_full(a), _full(b), dim=1)).mean()


def adversarial_D(logit_real: Tensor, logit_fake: Tensor) -> Tensor:
    """L_D: -log D(x_a) - log(1 - D(x')), from logits, [B, 1] each."""
    _same_shape(logit_real, logit_fake)
    return (softplus(-_full(logit_real)) + softplus(_full(logit_fake))).mean()


def adversarial_G(logit_fake: Tensor) -> Tensor:
    """L_adv, ours: -log D(x'), the non-saturating loss of Goodfellow et al. 2014, [B, 1]."""
    return softplus(-_full(logit_fake)).mean()


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")


def _full(x: Tensor) -> Tensor:
    """Sums over thousands of features need more than half precision; anything finer stays as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
