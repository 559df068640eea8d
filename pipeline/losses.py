"""The terms of IP-GAN (Bao et al. 2018, arXiv:1803.11182), one pure function each.

Every function returns a scalar: summed over the features of a sample, averaged over the batch. Weights are the
caller's. Symbols are the paper's.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d, cosine_similarity, cross_entropy, normalize, one_hot, softplus


def classification(scores: Tensor, c: Tensor, margin: float = 0.0, scale: float = 1.0) -> Tensor:
    """L_I and L_C: -log P(c given x).

    Where scores are cosines, the true class may have to win by a margin (CosFace, arXiv:1801.09414, eq. 4).
    A sample whose identity nobody knows adds 0, and the mean stays over all B: so the mean over processes is the mean
    over the batch, whatever each one's share of known people.

    Args:
        scores: [B, identities]; logits, or cosines.
        c: identity of each sample, int64 [B]; -1: unknown.
        margin: subtracted from the score of the true class.
        scale: factor before the softmax; cosines need one, or every class stays likely.
    """
    scores = _full(scores)
    true_class = one_hot(c.clamp(min=0), scores.shape[1]).to(scores.dtype)
    return _cross_entropies(scale * (scores - margin * true_class), c) / len(c)


def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """L_KL: divergence of N(mu, exp(logvar)) from the standard normal, [B, d] each."""
    _same_shape(mu, logvar)
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(dim=1).mean()


def half_squared_distance(a: Tensor, b: Tensor, focus: Tensor | None = None) -> Tensor:
    """Half the squared L2 distance: L_GR on images, L_GD and L_GC on features.

    Args:
        a: [B, ...].
        b: of the same shape.
        focus: weight of each place, of mean 1; broadcast over the images. None: all weigh the same.

    Raises:
        ValueError: the shapes differ (broadcasting would hide a mistake).
    """
    _same_shape(a, b)
    squares = (_full(a) - _full(b)).square()
    return 0.5 * (squares if focus is None else focus * squares).flatten(1).sum(dim=1).mean()


def absolute_distance(a: Tensor, b: Tensor, focus: Tensor | None = None) -> Tensor:
    """L_GA, ours: the L1 distance of two images; keeps edges that a squared distance lets blur."""
    _same_shape(a, b)
    differences = (_full(a) - _full(b)).abs()
    return (differences if focus is None else focus * differences).flatten(1).sum(dim=1).mean()


def perceptual_distance(a: Sequence[Tensor], b: Sequence[Tensor], focus: Tensor) -> Tensor:
    """L_GP, ours: how far apart two images look to the inner layers of a recogniser (as in LPIPS, arXiv:1801.03924).

    At every place the squared distance of unit vectors, averaged over places and summed over layers.

    Args:
        a: activations [B, d, R, R], one tensor a layer.
        b: of the same shapes.
        focus: weight of each place at full size [S, S], of mean 1.
    """
    total = torch.zeros((), device=focus.device)
    for x, y in zip(a, b, strict=True):
        _same_shape(x, y)
        squares = (normalize(_full(x), dim=1) - normalize(_full(y), dim=1)).square().sum(dim=1)
        total = total + (adaptive_avg_pool2d(focus[None], (x.shape[-2], x.shape[-1])) * squares).mean()
    return total


def face_focus(image_size: int, strength: float) -> Tensor:
    """Weights of an aligned crop's pixels, ours: a Gaussian bump of `strength` over the face, on top of 1.

    float32 [S, S] with a mean of 1, so that a weight on the whole image keeps its meaning. The bump stands between
    eyes and mouth of the template (datasets/photographs/alignment.py) and has a standard deviation of 0.22 crops.
    """
    at = (torch.arange(image_size) + 0.5) / image_size
    x, y = (at - 0.5) / 0.22, (at - 0.54) / 0.22
    weights = 1 + strength * torch.exp(-0.5 * (x[None, :].square() + y[:, None].square()))
    return weights / weights.mean()


def confusion(scores: Tensor, c: Tensor) -> Tensor:
    """L_AQ, ours: log P_Q(c given z), so that who minimizes it hides the person from Q.

    Bounded below where Q is half a nat worse than a guess about the known people of the batch: there is nothing left
    to hide, and no reason to mislead. Unknown people count as in `classification`.

    Args:
        scores: logits of Q, [B, identities].
        c: identity of the sample, int64 [B]; -1: unknown.
    """
    most = (math.log(scores.shape[1]) + 0.5) * (c >= 0).sum()
    return -_cross_entropies(_full(scores), c).clamp(max=most) / len(c)


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


def _cross_entropies(scores: Tensor, c: Tensor) -> Tensor:
    """Sum over the samples whose identity is known: of none, 0 with a gradient of 0, where a mean would be NaN."""
    return cross_entropy(scores, c, ignore_index=-1, reduction="sum")


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")


def _full(x: Tensor) -> Tensor:
    """Sums over thousands of features need more than half precision; anything finer stays as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
