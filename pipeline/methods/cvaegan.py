"""CVAE-GAN: how its networks learn from each other (Bao et al. 2017, arXiv:1703.10155, Algorithm 1).

Read top-down: `terms` computes the paper's losses, `objectives` says who minimizes which of them, `update` does it.
It makes faces of the people it was trained on: a class c is a person, and no photograph is asked who somebody is.
"""

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from pipeline import losses
from pipeline.datasets.sampled import Sampled, SampledBatches
from pipeline.datasets.shards import Faces
from pipeline.methods.asymmetric import AsymmetricTraining, Objectives, logged
from pipeline.methods.cvaegan_networks import networks
from pipeline.methods.recogniser import margin_and_scale
from pipeline.methods.views import blurred
from pipeline.networks.conditional import begin_with
from pipeline.networks.encoders import sampled
from pipeline.params import CVAEGANLosses, Losses, Model, Train
from pipeline.params import Recogniser as Pretrain
from pipeline.training.gradients import whole_batch

MAKERS = {"encoder", "generator"}


class CVAEGAN(AsymmetricTraining):
    """Makes faces of person c: x_out = G(z, c), z of a photograph of c or drawn from the prior.

    Args:
        networks: the four below, by name.
        weights: of the terms.
        train: how long and how fast.
        margin_and_scale: of L_C, as in `pretrain`.
        shape: people, and size of f_C.
    """

    classifier: nn.Module  # C: image -> f_C, class scores
    discriminator: nn.Module  # D: image -> f_D, logit
    generator: nn.Module  # G: z, c -> image
    encoder: nn.Module  # E: image, c -> mu, logvar

    NETWORKS = ("classifier", "discriminator", "generator", "encoder")  # in the paper's order
    AVERAGED = ("encoder", "generator")
    REACHES = {  # noqa: RUF012
        "L_C": {"classifier"},
        "L_D": {"discriminator", "generator"},
        "L_KL": {"encoder"},
        "L_G_x": MAKERS,
        "L_G_D": MAKERS | {"discriminator"},
        "L_G_C": MAKERS | {"classifier"},
        "L_GD": {"generator", "discriminator"},  # of faces whose z is drawn from the prior: E has no part in them
        "L_GC": {"generator", "classifier"},
    }

    def __init__(
        self,
        networks: Mapping[str, nn.Module],
        weights: CVAEGANLosses,
        train: Train,
        margin_and_scale: tuple[float, float],
        shape: tuple[int, int],
    ) -> None:
        super().__init__(networks, train)
        self.weights = weights
        self.margin_and_scale = margin_and_scale
        self.frozen = train.recognisers == "frozen"
        self.means_real, self.means_fake = (ClassMeans(*shape, weights.class_decay) for _ in range(2))
        if self.frozen:
            self.classifier.requires_grad_(False)

    def training_step(self, batch: Sampled, batch_idx: int) -> None:
        L = self.terms(batch)
        self.update(L, self.objectives())
        for means in (self.means_real, self.means_fake):
            means.move()
        self.batches_done += 1
        self.logged = logged(L)

    def terms(self, batch: Sampled) -> dict[str, Tensor]:
        """The loss terms, not weighted. The paper's L_G is the sum of L_G_x, L_G_D and L_G_C."""
        x, c, noise, prior = batch
        mu, logvar = self.encoder(x, c)
        x_f = self.generator(sampled(mu, logvar, noise), c)  # x again
        x_p = self.generator(prior, c)  # the same person, anyhow
        f_C, scores = self.classifier(x)
        f_D, logit_real = self.discriminator(x)
        (f_D_f, _), (f_D_p, logit_fake) = self.discriminator(x_f), self.discriminator(x_p)
        # Ours: the blur.
        (f_C_f, _), (f_C_p, _) = (self.classifier(blurred(x_out, self.weights.feature_C_blur)) for x_out in (x_f, x_p))
        # Means over the whole batch, whoever holds its parts: their squares are no means over samples.
        all_c = whole_batch(c)
        m_real, m_fake = self.means_real(whole_batch(f_C.detach()), all_c), self.means_fake(whole_batch(f_C_p), all_c)
        return {
            "L_C": losses.classification(scores, c, *self.margin_and_scale),
            "L_D": losses.adversarial_D(logit_real, logit_fake),
            "L_KL": losses.kl(mu, logvar),
            "L_G_x": losses.half_squared_distance(x_f, x),
            "L_G_D": losses.half_squared_distance(f_D_f, f_D.detach()),
            "L_G_C": losses.half_squared_distance(f_C_f, f_C.detach()),
            "L_GD": losses.distance_of_means(whole_batch(f_D_p), whole_batch(f_D.detach())),
            "L_GC": losses.distance_by_class(m_fake, m_real, all_c),
        }

    def objectives(self, same: bool = True) -> Objectives:
        """What each network minimizes: the weight of every term. This table is the method."""
        w = self.weights
        L_G = {"L_G_x": w.reconstruction, "L_G_D": w.feature_D, "L_G_C": w.feature_C}
        recognisers: Objectives = {} if self.frozen else {"classifier": {"L_C": 1.0}}
        return {
            **recognisers,
            "discriminator": {"L_D": 1.0},
            "generator": {**L_G, "L_GD": w.mean_feature_D, "L_GC": w.mean_feature_C},
            "encoder": {"L_KL": w.kl, **L_G},
        }


class ClassMeans(nn.Module):
    """Moving averages of a feature, one a class.

    The paper leaves their decay and gradient open. Here a class that is in the batch moves by 1 - decay towards its
    mean in the batch, the first time all the way, and the gradient takes the way of that share. A class that is not
    in the batch stays, and is not in the term.

    Args:
        classes: how many.
        dim: of the feature.
        decay: what is kept of an average in each batch that has the class.
    """

    def __init__(self, classes: int, dim: int, decay: float) -> None:
        super().__init__()
        self.decay = decay
        self.means = nn.Buffer(torch.zeros(classes, dim))
        self.seen = nn.Buffer(torch.zeros(classes))
        self.moved: tuple[Tensor, Tensor] | None = None

    def forward(self, f: Tensor, c: Tensor) -> Tensor:
        """f [B, dim] of classes c [B] => [B, dim], each sample's class average, moved by this batch."""
        of_class = losses.class_means(f, c)
        keep = (self.decay * self.seen[c])[:, None]
        moved = keep * self.means[c] + (1 - keep) * of_class
        self.moved = c, moved.detach()
        return moved

    def move(self) -> None:
        """Keep what `forward` gave last."""
        assert self.moved is not None
        c, moved = self.moved
        self.means[c] = moved.to(self.means.dtype)  # samples of a class hold the same row
        self.seen[c] = 1
        self.moved = None


def batches(faces: Faces, model: Model, train: Train) -> SampledBatches:
    """What it is trained on: images of the train split with their people and two draws from the prior."""
    return SampledBatches(faces, faces.of_split("train"), train.batch_size, train.seed, model.attribute_dim)


def build(
    model: Model,
    pretrain: Pretrain,
    losses: Losses,
    train: Train,
    image_size: int,
    num_identities: int,
    start: Mapping[str, Tensor],
) -> CVAEGAN:
    """A CVAEGAN that starts, where `train` says so, from the pretrained recogniser, a state_dict."""
    made = networks(model, image_size, num_identities)
    if train.recognisers != "scratch":
        made["classifier"].load_state_dict(start)
    if train.class_vectors == "pretrained":  # ours
        for name in MAKERS:
            begin_with(made[name].embedding, start["head.weight"])
    shape = (num_identities, model.identity_dim)
    return CVAEGAN(made, losses.cvaegan, train, margin_and_scale(model.normalized_features, pretrain), shape)
