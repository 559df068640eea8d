"""IP-GAN: how its networks learn from each other (Bao et al. 2018, arXiv:1803.11182, Algorithm 1).

Read top-down: `terms` computes the paper's losses, `objectives` says who minimizes which of them, `update` does it.
Where params depart from the paper (params.yaml, profiles/paper), the departure is marked here with "ours".
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.linalg import vector_norm
from torch.nn.functional import normalize

from pipeline import losses, stopping
from pipeline.datasets.pairs import PairBatches, Pairs, unlabelled_rows
from pipeline.datasets.shards import Faces
from pipeline.methods.asymmetric import AsymmetricTraining, Objectives, logged
from pipeline.methods.ipgan_networks import networks
from pipeline.methods.recogniser import margin_and_scale
from pipeline.methods.views import blurred, nudged
from pipeline.networks import Recogniser
from pipeline.networks.encoders import sampled
from pipeline.params import IPGANLosses, Losses, Model, Train
from pipeline.params import Recogniser as Pretrain
from pipeline.settings import is_first
from pipeline.terminal import watched

MAKERS = {"attributes", "generator"}
AT_ONCE = 64  # images; in other portions, features come out with another rounding


class IPGAN(AsymmetricTraining):
    """Makes x', the person of x_s with the attributes of x_a.

    Args:
        networks: the six below, by name.
        weights: of the terms.
        train: how long and how fast.
        margin_and_scale: of L_I and L_C, as in `pretrain`.
        image_size: side of the images, in pixels.
    """

    identity: nn.Module  # I: image -> f_I, class scores
    classifier: Recogniser  # C: image -> f_C, class scores
    discriminator: nn.Module  # D: image -> f_D, logit
    code_classifier: nn.Module  # Q, ours: z -> class scores
    attributes: nn.Module  # A: image -> mu, logvar
    generator: nn.Module  # G: f_I, z -> image

    NETWORKS = ("identity", "classifier", "discriminator", "code_classifier", "attributes", "generator")
    AVERAGED = ("attributes", "generator")
    # Q is small, and has to keep up with a moving A. Muon makes it confidently wrong, worse than a guess, which tells
    # A nothing.
    HURRY = {"code_classifier": 2.0}  # noqa: RUF012
    REACHES = {  # noqa: RUF012
        "L_I": {"identity"},
        "L_C": {"classifier"},
        "L_D": MAKERS | {"discriminator"},
        "L_Q": {"attributes", "code_classifier"},
        "L_KL": {"attributes"},
        "L_AQ": {"attributes", "code_classifier"},
        "L_GR": MAKERS,
        "L_GC": MAKERS | {"classifier"},
        "L_GP": MAKERS | {"classifier"},
        "L_GD": MAKERS | {"discriminator"},
        "L_adv": MAKERS | {"discriminator"},
    }

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        weights: IPGANLosses,
        train: Train,
        margin_and_scale: tuple[float, float],
        image_size: int,
    ) -> None:
        super().__init__(networks, train)
        self.weights = weights
        self.margin_and_scale = margin_and_scale
        self.frozen = train.recognisers == "frozen"
        # What an I that stays as it is has said beforehand (ours): f_I of every image by place, a person's mean by c.
        self.known: Tensor | None = None
        self.means: Tensor | None = None
        self.focus = nn.Buffer(losses.face_focus(image_size, weights.focus), persistent=False)
        if self.frozen:
            self.identity.requires_grad_(False)
            self.classifier.requires_grad_(False)

    def forward(self, x_s: Tensor, x_a: Tensor) -> Tensor:
        """x' [B, 3, S, S] in [-1, 1], with z at its mean."""
        f_I, _ = self.identity(x_s)
        mu, _ = self.attributes(x_a)
        return self.generator(f_I, mu)

    def on_train_start(self) -> None:
        if self.frozen:
            self.remember(self.trainer.train_dataloader.dataset)  # type: ignore[union-attr]

    @torch.no_grad()
    def remember(self, batches: PairBatches) -> None:
        """What a frozen I has to say of an image is the same each time that it is drawn: ask once, if that is of use.

        Raises:
            Stopped: a signal came.
        """
        of_people = self.weights.feature_C > 0 and self.weights.feature_C_target == "person"
        if not batches.places and not of_people:
            return
        images = len(batches.labels) if batches.places else batches.labelled
        portions = batches.in_order(images, AT_ONCE)
        if is_first():
            portions = watched(portions, "images that I has seen", images, len)
        f_I = torch.cat([self._known(x) for x in portions])
        if batches.places:
            self.known = f_I
        if of_people:
            c = torch.from_numpy(batches.labels[: batches.labelled])
            self.means = person_means(f_I[: batches.labelled].cpu(), c).to(f_I)

    def _known(self, x: Tensor) -> Tensor:
        stopping.check()
        return self.identity(x.to(self.focus))[0]

    def looked_up(self, s: Tensor | None) -> tuple[Tensor, Any]:
        """f_I of the images at these places; scores are for an I that learns."""
        assert self.known is not None
        return self.known[s], None

    def training_step(self, batch: Pairs, batch_idx: int) -> None:
        L = self.terms(batch)
        self.update(L, self.objectives(batch.same))
        self.batches_done += 1
        self.logged = logged(L, L_GR="L_GR_same" if batch.same else "L_GR_cross")

    def terms(self, batch: Pairs) -> dict[str, Tensor]:
        """The loss terms, not weighted, by their names in the paper; without those that nobody here minimizes."""
        x_s, x_a, c, c_a, noise, same, s, landmarks = batch
        minimized = {term for weights in self.objectives(same).values() for term, w in weights.items() if w}
        f_I, scores_I = self.looked_up(s) if x_s is None else self.identity(x_s)
        mu, logvar = self.attributes(x_a)
        z = sampled(mu, logvar, noise)
        # No term of G reaches I: f_I enters G as a value.
        x_out = self.generator(f_I.detach(), z)
        focus: Tensor = self.focus
        if same and self.weights.focus_features and landmarks is not None:  # of two people, the features differ
            focus = losses.focused_on(focus, landmarks, self.weights.focus_features)
        L = {
            "L_KL": losses.kl(mu, logvar),
            "L_GR": losses.half_squared_distance(x_out, x_a, focus),
        }
        if "L_I" in minimized:
            L["L_I"] = losses.classification(scores_I, c, *self.margin_and_scale)
        # Frozen, C and I are one network, the pretrained one: f_C(x_s) is f_I.
        f_C, scores_C = (f_I, scores_I) if self.frozen else self.classifier(x_s)
        if "L_C" in minimized:
            L["L_C"] = losses.classification(scores_C, c, *self.margin_and_scale)
        if "L_GC" in minimized:
            wanted = f_C.detach()
            if self.means is not None:  # of an unlabelled face there is none
                wanted = torch.where(c[:, None] >= 0, self.means[c], wanted)
            f_C_out, _ = self.classifier(blurred(x_out, self.weights.feature_C_blur))  # ours: the blur
            L["L_GC"] = losses.half_squared_distance(f_C_out, wanted, slack=self.weights.feature_C_slack)
        if "L_GP" in minimized:
            out, wanted = (self.classifier.inner(nudged(x, self.batches_done)) for x in (x_out, x_a))
            L["L_GP"] = losses.perceptual_distance(out, [f.detach() for f in wanted], focus)  # ours
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

    def objectives(self, same: bool) -> Objectives:
        """What each network minimizes: the weight of every term. This table is the method.

        Args:
            same: x_a shows the person of x_s.
        """
        w = self.weights
        pair = 1.0 if same else w.cross  # the paper's lambda
        reconstruction = {"L_GR": pair * w.reconstruction}
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
        recognisers: Objectives = {} if self.frozen else {"identity": {"L_I": 1.0}, "classifier": {"L_C": 1.0}}
        return {
            **recognisers,
            "discriminator": {"L_D": 1.0 if w.feature_D or w.adversarial else 0.0},
            "code_classifier": {"L_Q": 1.0 if w.confusion else 0.0},
            "attributes": {"L_KL": w.kl, "L_AQ": w.confusion, **attributes},
            "generator": generator,
        }


def person_means(f: Tensor, c: Tensor) -> Tensor:
    """Each person's mean, as long as the features are on average: f [N, d] of people c [N] => [people, d].

    One photograph's feature tells a little of its pose and its glasses; the mean of several tells who it is.
    """
    counts = torch.bincount(c)[:, None]
    sums = f.new_zeros(len(counts), f.shape[1]).index_add_(0, c, f)
    lengths = f.new_zeros(len(counts)).index_add_(0, c, vector_norm(f, dim=1))
    return normalize(sums, dim=1) * lengths[:, None] / counts


def remembers(train: Train, images: int) -> bool:
    """Whether f_I is computed once for each of so many images, beforehand: it stays, and that pays."""
    return train.recognisers == "frozen" and not train.flip and train.images > images


def batches(faces: Faces, model: Model, train: Train) -> PairBatches:
    """What it is trained on: pairs of images of the train split, and of faces of nobody in particular."""
    t, rows = train, faces.of_split("train")
    images = len(rows) + (len(unlabelled_rows(faces)) if t.unlabelled else 0)
    how = (t.cross_every, t.unlabelled, t.flip, remembers(t, images))
    return PairBatches(faces, rows, t.batch_size, model.attribute_dim, t.seed, *how)


def build(
    model: Model,
    pretrain: Pretrain,
    losses: Losses,
    train: Train,
    image_size: int,
    num_identities: int,
    start: Mapping[str, Tensor],
) -> IPGAN:
    """An IPGAN whose I and C start as the pretrained recogniser: a state_dict."""
    made = networks(model, image_size, num_identities)
    if train.recognisers != "scratch":
        made["identity"].load_state_dict(start)
        made["classifier"].load_state_dict(start)
    return IPGAN(made, losses.ipgan, train, margin_and_scale(model.normalized_features, pretrain), image_size)
