"""IP-GAN: how its networks learn from each other (Bao et al. 2018, arXiv:1803.11182, Algorithm 1).

Read top-down: `terms` computes the paper's losses, `objectives` says who minimizes which of them, `update` does it.
Where params depart from the paper (params.yaml, profiles/paper), the departure is marked here with "ours".
"""

import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, pad
from torch.optim import Optimizer

from pipeline import losses
from pipeline.datasets.pairs import Pairs
from pipeline.networks import AttributeEncoder, CodeClassifier, Discriminator, Generator, Recogniser
from pipeline.networks.encoders import sampled
from pipeline.params import Losses, Model, Train
from pipeline.params import Recogniser as Pretrain
from pipeline.training.gradients import average_gradients
from pipeline.training.optimizers import optimizers, take_step, warm_up

NETWORKS = ("identity", "classifier", "discriminator", "code_classifier", "attributes", "generator")
# Q is small, and has to keep up with a moving A: a larger rate, for Adam alone. Muon makes it confidently wrong, worse
# than a guess, which tells A nothing.
HURRY = {"code_classifier": 2.0}
OF_Z = ("L_KL", "L_AQ")  # terms that do not depend on G
Table = dict[str, dict[str, float]]  # network -> term -> weight


class IPGAN(pl.LightningModule):
    """Makes x', the person of x_s with the attributes of x_a."""

    def __init__(
        self,
        identity: nn.Module,  # I: image -> f_I, class scores
        classifier: Recogniser,  # C: image -> f_C, class scores
        discriminator: nn.Module,  # D: image -> f_D, logit
        code_classifier: nn.Module,  # Q, ours: z -> class scores
        attributes: nn.Module,  # A: image -> mu, logvar
        generator: nn.Module,  # G: f_I, z -> image
        weights: Losses,
        train: Train,
        margin_and_scale: tuple[float, float],  # of L_I and L_C, as in `pretrain`
        image_size: int,
    ) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.identity = identity
        self.classifier = classifier
        self.discriminator = discriminator
        self.code_classifier = code_classifier
        self.attributes = attributes
        self.generator = generator
        self.weights = weights
        self.schedule = train
        self.margin_and_scale = margin_and_scale
        self.frozen = train.recognisers == "frozen"
        self.focus = nn.Buffer(losses.face_focus(image_size, weights.focus), persistent=False)
        self.batches_done = 0  # not trainer.global_step, which counts every optimizer's steps
        if self.frozen:
            identity.requires_grad_(False)
            classifier.requires_grad_(False)

    def forward(self, x_s: Tensor, x_a: Tensor) -> Tensor:
        """x' [B, 3, S, S] in [-1, 1], with z at its mean."""
        f_I, _ = self.identity(x_s)
        mu, _ = self.attributes(x_a)
        return self.generator(f_I, mu)

    def training_step(self, batch: Pairs, batch_idx: int) -> None:
        L = self.terms(batch)
        self.update(L, self.objectives(batch.same))
        self.batches_done += 1
        kind = "same" if batch.same else "cross"
        self.logged = {f"train/{t if t != 'L_GR' else f'L_GR_{kind}'}": v.detach() for t, v in L.items()}

    def terms(self, batch: Pairs) -> dict[str, Tensor]:
        """The loss terms, not weighted, by their names in the paper; without those that nobody here minimizes."""
        x_s, x_a, c, c_a, noise, same = batch
        minimized = {term for weights in self.objectives(same).values() for term, w in weights.items() if w}
        f_I, scores_I = self.identity(x_s)
        mu, logvar = self.attributes(x_a)
        z = sampled(mu, logvar, noise)
        # No term of G reaches I: f_I enters G as a value.
        x_out = self.generator(f_I.detach(), z)
        L = {
            "L_KL": losses.kl(mu, logvar),
            "L_GR": losses.half_squared_distance(x_out, x_a, self.focus),
            "L_GA": losses.absolute_distance(x_out, x_a, self.focus),  # ours
        }
        if "L_I" in minimized:
            L["L_I"] = losses.classification(scores_I, c, *self.margin_and_scale)
        if {"L_C", "L_GC"} & minimized:
            # Frozen, C and I are one network, the pretrained one: f_C(x_s) is f_I.
            f_C, scores_C = (f_I, scores_I) if self.frozen else self.classifier(x_s)
            f_C_out, _ = self.classifier(blurred(x_out, self.weights.feature_C_blur))
            cosine = self.weights.feature_C_distance == "cosine"
            distance_C = losses.cosine_distance if cosine else losses.half_squared_distance
            L["L_C"] = losses.classification(scores_C, c, *self.margin_and_scale)
            L["L_GC"] = distance_C(f_C_out, f_C.detach())
        if "L_GP" in minimized:
            out, wanted = (self.classifier.inner(nudged(x, self.batches_done)) for x in (x_out, x_a))
            L["L_GP"] = losses.perceptual_distance(out, [f.detach() for f in wanted], self.focus)  # ours
        if "L_D" in minimized:
            f_D, logit_real = self.discriminator(x_a)
            f_D_out, logit_fake = self.discriminator(x_out)
            L["L_D"] = losses.adversarial_D(logit_real, logit_fake)
            L["L_GD"] = losses.half_squared_distance(f_D_out, f_D.detach())
            L["L_adv"] = losses.adversarial_G(logit_fake)  # ours
        if "L_Q" in minimized:
            scores_Q = self.code_classifier(z)
            L["L_Q"] = losses.classification(scores_Q, c_a)  # ours
            L["L_AQ"] = losses.confusion(scores_Q, c_a)  # ours
        return L

    def objectives(self, same: bool) -> Table:
        """What each network minimizes: the weight of every term. This table is the method."""
        w = self.weights
        pair = 1.0 if same else w.cross  # the paper's lambda
        reconstruction = {"L_GR": pair * w.reconstruction, "L_GA": pair * w.absolute}
        feature_C = w.feature_C if w.feature_C_pairs == "all" or not same else 0.0
        perceptual = w.perceptual if same else 0.0
        generator = {
            **reconstruction,
            "L_GC": feature_C,
            "L_GP": perceptual,
            "L_GD": w.feature_D,
            "L_adv": w.adversarial,
        }
        attributes = generator if w.attributes_follow == "generator" else reconstruction
        recognisers: Table = {} if self.frozen else {"identity": {"L_I": 1.0}, "classifier": {"L_C": 1.0}}
        return {
            **recognisers,
            "discriminator": {"L_D": 1.0 if w.feature_D or w.adversarial else 0.0},
            "code_classifier": {"L_Q": 1.0 if w.confusion else 0.0},
            "attributes": {"L_KL": w.kl, "L_AQ": w.confusion, **attributes},
            "generator": generator,
        }

    def update(self, L: Mapping[str, Tensor], table: Table) -> None:
        """One step of each network along the gradient of its own objective, all taken at the same parameters."""
        for names, weights in passes(table):
            if not any(weights.values()):
                continue  # nothing to learn in this kind of step
            objective = torch.stack([w * L[term] for term, w in weights.items() if w]).sum()
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
            matrix_rate = 0.0 if name in HURRY else t.matrix_learning_rate
            rate = HURRY.get(name, 1.0) * t.learning_rate
            made += optimizers(getattr(self, name), rate, matrix_rate, (t.beta1, 0.99))
        return made


def blurred(x: Tensor, sigma: float) -> Tensor:
    """x [B, 3, S, S] through a Gaussian of `sigma` pixels, ours: 0 leaves it alone.

    A frozen classifier is pleased most cheaply by fine patterns that nobody would call a face; behind a blur they
    please it no more.
    """
    if not sigma:
        return x
    radius = math.ceil(2 * sigma)
    kernel = torch.exp(-0.5 * (torch.arange(-radius, radius + 1, device=x.device) / sigma).square())
    kernel = torch.outer(kernel, kernel).to(x.dtype) / kernel.sum().square()
    padded = pad(x, (radius,) * 4, mode="replicate")
    return conv2d(padded, kernel.expand(x.shape[1], 1, -1, -1), groups=x.shape[1])


def nudged(x: Tensor, step: int) -> Tensor:
    """x [B, 3, S, S] moved by 0 or 1 pixel each way, another way at each of four steps.

    C samples every other pixel: without it, G draws that grid where it is allowed to (ours).
    """
    right, down = step % 2, step // 2 % 2
    return pad(x, (right, 0, down, 0), mode="replicate")[..., : x.shape[-2], : x.shape[-1]]


def passes(table: Table) -> list[tuple[list[str], dict[str, float]]]:
    """Which networks can share a backward pass.

    A's objective is G's and the terms of z where A follows G; those do not depend on G, so one pass gives both
    gradients.
    """
    rest = {name: weights for name, weights in table.items() if name not in ("attributes", "generator")}
    alone = [([name], weights) for name, weights in rest.items()]
    A, G = table["attributes"], table["generator"]
    if {term: w for term, w in A.items() if term not in OF_Z} == G:
        return [*alone, (["attributes", "generator"], A)]
    return [*alone, (["attributes"], A), (["generator"], G)]


def networks(model: Model, image_size: int, num_identities: int) -> dict[str, Any]:
    """Fresh networks by name: the one place that turns params into networks, for training and loading alike."""
    m = model
    return {
        "identity": recogniser(model, image_size, num_identities),
        "classifier": recogniser(model, image_size, num_identities),
        "discriminator": Discriminator(image_size, m.width),
        "code_classifier": CodeClassifier(m.attribute_dim, num_identities),
        "attributes": AttributeEncoder(image_size, m.width, m.attribute_dim),
        "generator": Generator(image_size, m.width, m.identity_dim, m.attribute_dim, m.style_dim, m.injection),
    }


def recogniser(model: Model, image_size: int, num_identities: int) -> Recogniser:
    """Fresh weights for what becomes I and C."""
    return Recogniser(image_size, model.width, model.identity_dim, num_identities, model.normalized_features)


def build(
    model: Model,
    pretrain: Pretrain,
    weights: Losses,
    train: Train,
    image_size: int,
    num_identities: int,
    recogniser: Mapping[str, Tensor],
) -> IPGAN:
    """An IPGAN whose I and C start as the pretrained recogniser: a state_dict."""
    margin_and_scale = (pretrain.margin, pretrain.scale) if model.normalized_features else (0.0, 1.0)
    method = IPGAN(
        **networks(model, image_size, num_identities),
        weights=weights,
        train=train,
        margin_and_scale=margin_and_scale,
        image_size=image_size,
    )
    method.identity.load_state_dict(recogniser)
    method.classifier.load_state_dict(recogniser)
    return method
