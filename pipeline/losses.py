"""The terms of IP-GAN (Bao et al. 2018, arXiv:1803.11182) and CVAE-GAN (2017, arXiv:1703.10155), a pure function each.

Every function returns a scalar: summed over the features of a sample, averaged over the batch; those over means of the
batch are named so. Weights are the caller's. Symbols are the papers'.
"""

import math
from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, ParamSpec

import torch
from torch import Tensor
from torch.linalg import vecdot, vector_norm
from torch.nn.functional import adaptive_avg_pool2d, cross_entropy, one_hot, softplus

SHORTEST = 1e-6  # length of a vector that still has a direction
WIDTHS, HEIGHTS = (0.07, 0.07, 0.1), (0.06, 0.06, 0.07)  # of the bumps on eyes and mouth: deviations, in crops
P = ParamSpec("P")


def in_full(function: Callable[P, Tensor]) -> Callable[P, Tensor]:
    """Without autocast, which would make half precision of what is multiplied here, float32 or not."""

    @wraps(function)
    def computed(*given: P.args, **named: P.kwargs) -> Tensor:
        first = given[0] if isinstance(given[0], Tensor) else given[0][0]  # type: ignore[index]
        with torch.autocast(first.device.type, enabled=False):
            return function(*given, **named)

    return computed


@in_full
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
    return _cross_entropies(scale * (scores - margin * true_class), c).mean()


@in_full
def kl(mu: Tensor, logvar: Tensor) -> Tensor:
    """L_KL: divergence of N(mu, exp(logvar)) from the standard normal, [B, d] each."""
    _same_shape(mu, logvar)
    return 0.5 * (mu.square() + logvar.exp() - logvar - 1).sum(dim=1).mean()


@in_full
def half_squared_distance(a: Tensor, b: Tensor, focus: Tensor | None = None, slack: float = 0.0) -> Tensor:
    """Half the squared L2 distance: L_GR on images, L_GD and L_GC on features; of unit vectors it is 1 - cosine.

    Args:
        a: [B, ...].
        b: of the same shape.
        focus: weight of each place, of mean 1; broadcast over the images. None: all weigh the same.
        slack: so much of a sample's distance costs nothing.

    Raises:
        ValueError: the shapes differ (broadcasting would hide a mistake).
    """
    _same_shape(a, b)
    differences = _full(a) - _full(b)
    if focus is not None:
        differences = focus.sqrt() * differences  # not behind the square: its gradient lies in memory as images do
    distances = 0.5 * _of_samples(differences.square())
    return (distances - slack).clamp_min(0).mean() if slack else distances.mean()


@in_full
def perceptual_distance(a: Sequence[Tensor], b: Sequence[Tensor], focus: Tensor) -> Tensor:
    """L_GP, ours: how far apart two images look to the inner layers of a recogniser (as in LPIPS, arXiv:1801.03924).

    At every place the squared distance of unit vectors, averaged over places and summed over layers.

    Args:
        a: activations [B, d, R, R], one tensor a layer.
        b: of the same shapes.
        focus: weight of each place at full size, [S, S] or [B, 1, S, S], of mean 1.
    """
    total = torch.zeros((), device=focus.device)
    for x, y in zip(a, b, strict=True):
        _same_shape(x, y)
        weights = adaptive_avg_pool2d(focus.reshape(-1, *focus.shape[-2:]), (x.shape[-2], x.shape[-1]))
        total = total + _DistanceOfDirections.apply(x, y, weights.expand(len(x), -1, -1))
    return total


class _DistanceOfDirections(torch.autograd.Function):
    """Mean over samples and places of weights [B, R, R] times |x/|x| - y/|y||^2 = 2 - 2 cosine; a gradient for x alone.

    The gradient is made with the value, on CPUs a sample at a time: in the caches. Written with tensors of unit vectors
    of whole batches it took a quarter of a training step, all of it waiting for memory.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        gradient = torch.empty_like(x)
        total, weights = weights.new_zeros(()), weights / weights.numel()
        at_once = 1 if x.device.type == "cpu" else len(x)
        for part in (slice(i, i + at_once) for i in range(0, len(x), at_once)):
            u, v = _full(x[part]), _full(y[part])
            length = vector_norm(u, dim=1).clamp_min(SHORTEST)
            lengths = length * vector_norm(v, dim=1).clamp_min(SHORTEST)
            cosine = vecdot(u, v, dim=1) / lengths
            weight = weights[part]
            total = total + (weight * (2 - 2 * cosine)).sum()
            along, towards = 2 * weight * cosine / length.square(), -2 * weight / lengths
            gradient[part] = torch.addcmul(u * along[:, None], v, towards[:, None])
        ctx.save_for_backward(gradient)
        return total

    @staticmethod
    def backward(ctx: Any, *outer: Tensor) -> tuple[Tensor, None, None]:
        (gradient,) = ctx.saved_tensors
        return gradient * outer[0].to(gradient.dtype), None, None


def face_focus(image_size: int, strength: float) -> Tensor:
    """Weights of an aligned crop's pixels, ours: a Gaussian bump of `strength` over the face, on top of 1.

    float32 [S, S] with a mean of 1, so that a weight on the whole image keeps its meaning. The bump stands between
    eyes and mouth of the template (datasets/photographs/alignment.py) and has a standard deviation of 0.22 crops.
    """
    at = (torch.arange(image_size) + 0.5) / image_size
    x, y = (at - 0.5) / 0.22, (at - 0.54) / 0.22
    weights = 1 + strength * torch.exp(-0.5 * (x[None, :].square() + y[:, None].square()))
    return weights / weights.mean()


@in_full
def focused_on(focus: Tensor, landmarks: Tensor, strength: float) -> Tensor:
    """The weights of `face_focus`, and on top of them bumps of `strength` on each image's own eyes and mouth, ours.

    An expression is a few pixels of an image, which no mean over all of it misses.

    Args:
        focus: [S, S], of mean 1.
        landmarks: [B, 5, 2], x and y in [-1, 1] from border to border: eyes, nose, corners of the mouth.
        strength: in units of the mean.

    Returns:
        [B, 1, S, S], each of mean 1.
    """
    at = (torch.arange(len(focus), device=focus.device) + 0.5) / len(focus)
    middles = torch.stack([landmarks[:, 0], landmarks[:, 1], landmarks[:, 3:].mean(1)], 1).to(focus)
    x, y = ((middles[..., i, None] + 1) / 2 for i in (0, 1))
    across, down = (
        torch.stack([torch.exp(-0.5 * ((at - c[:, i]) / s).square()) for i, s in enumerate(sizes)], 1)
        for c, sizes in ((x, WIDTHS), (y, HEIGHTS))  # numbers, not tensors: those would be waited for on a GPU
    )
    weights = focus + strength * torch.einsum("bpy,bpx->byx", down, across)
    return (weights / weights.mean(dim=(1, 2), keepdim=True))[:, None]


@in_full
def confusion(scores: Tensor, c: Tensor) -> Tensor:
    """L_AQ, ours: log P_Q(c given z), so that who minimizes it hides the person from Q.

    Bounded below, for each sample, where Q is half a nat worse than a guess: there is nothing left to hide, and no
    reason to mislead. (A bound on the mean would be another one on every process's part of the batch.) Unknown
    people count as in `classification`.

    Args:
        scores: logits of Q, [B, identities].
        c: identity of the sample, int64 [B]; -1: unknown.
    """
    return -_cross_entropies(_full(scores), c).clamp(max=math.log(scores.shape[1]) + 0.5).mean()


@in_full
def distance_of_means(a: Tensor, b: Tensor) -> Tensor:
    """L_GD of CVAE-GAN, half the squared distance of two batches' mean features (mean feature matching).

    No mean over samples: a process that holds a part of the batch alone would give another value.

    Args:
        a: [B, d], the whole batch.
        b: of the same shape.
    """
    _same_shape(a, b)
    return 0.5 * (_full(a).mean(dim=0) - _full(b).mean(dim=0)).square().sum()


@in_full
def distance_by_class(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """L_GC of CVAE-GAN: half the squared distance of two class averages, summed over the classes of the batch.

    Args:
        a: the average of each sample's class, [B, d], the whole batch.
        b: likewise.
        c: class of each sample, int64 [B].
    """
    _same_shape(a, b)
    squares = (_full(a) - _full(b)).square().sum(dim=1)
    return 0.5 * (squares / _same_class(c).sum(dim=1)).sum()


@in_full
def class_means(f: Tensor, c: Tensor) -> Tensor:
    """For each sample the mean feature of its class in the batch: f [B, d] of classes c [B] => [B, d]."""
    same = _same_class(c).to(_full(f).dtype)
    return same @ _full(f) / same.sum(dim=1, keepdim=True)


def _same_class(c: Tensor) -> Tensor:
    """Which samples share a class, bool [B, B]; to count the classes would wait for a GPU."""
    return c[:, None] == c[None, :]


@in_full
def adversarial_D(logit_real: Tensor, logit_fake: Tensor) -> Tensor:
    """L_D: -log D(x_a) - log(1 - D(x')), from logits, [B, 1] each."""
    _same_shape(logit_real, logit_fake)
    return (softplus(-_full(logit_real)) + softplus(_full(logit_fake))).mean()


@in_full
def adversarial_G(logit_fake: Tensor) -> Tensor:
    """L_adv, ours: -log D(x'), the non-saturating loss of Goodfellow et al. 2014, [B, 1]."""
    return softplus(-_full(logit_fake)).mean()


def _cross_entropies(scores: Tensor, c: Tensor) -> Tensor:
    """One a sample, [B]; 0 where the identity is not known."""
    return cross_entropy(scores, c, ignore_index=-1, reduction="none")


def _same_shape(a: Tensor, b: Tensor) -> None:
    if a.shape != b.shape:
        raise ValueError(f"shapes differ: {tuple(a.shape)} and {tuple(b.shape)}")


def _of_samples(x: Tensor) -> Tensor:
    """The sum of each sample: [B, ...] => [B]."""
    return x.sum(dim=tuple(range(1, x.ndim)))


def _full(x: Tensor) -> Tensor:
    """Sums over thousands of features need more than half precision; anything finer stays as it is."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
