"""`applications/adversarial_*`: photographs changed so that I takes them for somebody else, and how well that shows.

What I recognises is drawn: G(f_I(x), z(x)). Of an honest photograph that is the same face; of one that fools I it is
the face of somebody else, and so it differs from the photograph (Bao et al. 2018). Attacks: FGSM
(Goodfellow et al. 2015, arXiv:1412.6572) and PGD (Madry et al. 2018, arXiv:1706.06083), both with the gradient of I.
"""

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cosine_similarity

from pipeline.applications.evaluation.bench import Bench, Estimates, shares
from pipeline.applications.evaluation.maker import Maker
from pipeline.datasets.pairs import to_tensor
from pipeline.metrics import intervals, verification

STRENGTHS = (2, 4, 8)  # grey levels by which a pixel may change
ATTACKS = {"fgsm": 1, "pgd": 5}  # steps
IMAGES = 96  # photographs that are attacked


def attacks(b: Bench, maker: Maker) -> Estimates:
    """For each attack and strength: `cosine`, how alike f_I still is, and `auc` of telling attacked photographs."""
    probes = b.material.people.probes
    each = max(1, IMAGES // len(probes))
    rows = np.concatenate([own[:each] for own in probes])[:IMAGES]
    person = b.material.persons(rows)
    x = to_tensor(b.material.asked.faces.images(rows)).to(maker.device)
    f_I, honest = _drawn(maker, x)
    found: Estimates = {}
    for name, steps in ATTACKS.items():
        for strength in STRENGTHS:
            attacked = fooled(maker.networks["identity"], x, strength * 2 / 255, steps)
            fooled_I, shown = _drawn(maker, attacked)
            alike = cosine_similarity(f_I, fooled_I)

            def of_people(chosen: Tensor, alike: Tensor = alike, shown: Tensor = shown) -> dict[str, float]:
                own = chosen[person]
                area = verification.auc(_as_cosines(shown, honest)[own], _as_cosines(honest, shown)[own])
                return {"cosine": alike[own].mean().item(), "auc": area}

            values = intervals.by_halves(of_people, len(probes), len(rows))
            values |= shares({"auc": values["auc"]})
            found |= {f"applications/adversarial_{k}_{name}_{strength}": value for k, value in values.items()}
    return found


def fooled(identity: torch.nn.Module, x: Tensor, reach: float, steps: int) -> Tensor:
    """Images no pixel of which is further than `reach` from x [B, 3, S, S], as unlike x as I can be made to see them.

    One step is FGSM; more are PGD, with steps of 2.5 reach / steps as Madry et al. have them. Both begin a little
    beside x, where the cosine has a gradient.
    """
    with torch.no_grad():
        wanted = identity(x)[0]
    sign = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)).sign().to(x)
    attacked = (x + 0.1 * reach * sign).clamp(-1, 1)
    size = reach if steps == 1 else 2.5 * reach / steps
    for _ in range(steps):
        attacked = attacked.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(cosine_similarity(identity(attacked)[0], wanted).sum(), attacked)
        attacked = attacked.detach() - size * gradient.sign()
        attacked = torch.minimum(torch.maximum(attacked, x - reach), x + reach).clamp(-1, 1)
    return attacked.detach()


@torch.inference_mode()
def _drawn(maker: Maker, x: Tensor) -> tuple[Tensor, Tensor]:
    """f_I, float64 [B, d], and the mean absolute difference between a photograph and what is drawn of it, [B]."""
    f_I, _ = maker.networks["identity"](x)
    drawn = maker.networks["generator"](f_I, maker.networks["attributes"](x)[0])
    return f_I.double().cpu(), (drawn - x).abs().double().mean((1, 2, 3)).cpu()


def _as_cosines(scores: Tensor, others: Tensor) -> Tensor:
    """Scores on [-1, 1], in the same order: an area under a curve asks for no more."""
    most = torch.cat([scores, others]).max().clamp(min=1e-12)
    return scores / most
