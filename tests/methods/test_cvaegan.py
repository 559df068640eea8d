"""Who learns from what (Bao et al. 2017, Algorithm 1), the class averages, and that exactly that network moves."""

from pathlib import Path

import pytest
import torch

from pipeline import losses
from pipeline.datasets.sampled import Sampled
from pipeline.methods import cvaegan
from pipeline.methods.asymmetric import passes
from pipeline.methods.cvaegan import ClassMeans
from pipeline.methods.recogniser import recogniser
from pipeline.methods.views import blurred
from pipeline.params import CVAEGANLosses, Losses, Model
from tests.conftest import ROOT
from tests.methods.learning import gradients, has_term, moved_alone, moved_by_an_update
from tests.methods.test_ipgan import PAPER_WEIGHTS, PRETRAIN, TRAIN

L_G = {"L_G_x", "L_G_D", "L_G_C"}
TERMS = ("L_C", "L_D", "L_KL", "L_G_x", "L_G_D", "L_G_C", "L_GD", "L_GC")
PAPER = {
    "classifier": {"L_C"},
    "discriminator": {"L_D"},
    "generator": L_G | {"L_GD", "L_GC"},
    "encoder": L_G | {"L_KL"},
}
# The paper's weights but for those of the means, which 1e-3 hides in the rounding of a gradient.
WEIGHTS = CVAEGANLosses(
    kl=3.0, reconstruction=1.0, feature_D=1.0, feature_C=1.0, feature_C_blur=0.0, mean_feature_D=0.5,
    mean_feature_C=0.5, class_decay=0.5,
)  # fmt: skip


def cvae(weights=WEIGHTS, injection="concatenation", normalized=False, **train):
    model = Model(
        method="cvaegan", identity_dim=8, attribute_dim=4, width=4, style_dim=8,
        injection=injection, normalized_features=normalized,
    )  # fmt: skip
    start = recogniser(model, 32, 3).state_dict()
    schedule = TRAIN.model_copy(update=train)
    return cvaegan.build(model, PRETRAIN, Losses(ipgan=PAPER_WEIGHTS, cvaegan=weights), schedule, 32, 3, start)


def frozen():
    """With the departures of params.yaml."""
    departures = {"recognisers": "frozen", "class_vectors": "pretrained", "matrix_learning_rate": 0.01}
    return cvae(WEIGHTS.model_copy(update={"feature_C_blur": 0.7}), "modulation", normalized=True, **departures)


def batch(size=4):
    noise, prior = torch.randn(2, size, 4)
    return Sampled(torch.rand(size, 3, 32, 32) * 2 - 1, torch.tensor([0, 1, 0, 2])[:size], noise, prior)


@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("network", cvaegan.CVAEGAN.NETWORKS)
def test_each_network_learns_from_the_papers_terms(network, term):
    assert has_term(cvae(), batch(), network, term) == (term in PAPER[network])


def test_the_table_has_the_papers_weights_and_the_profile_too():
    text = (Path(ROOT) / "profiles" / "paper").read_text()
    written = {"kl": "3.0", "reconstruction": "1.0", "feature_D": "1.0", "feature_C": "1.0", "feature_C_blur": "0.0"}
    written |= {"mean_feature_D": "0.001", "mean_feature_C": "0.001"}
    for name, value in written.items():
        assert f"-S losses.cvaegan.{name}={value}\n" in text
    paper = {name: float(value) for name, value in written.items()}
    m = cvae(WEIGHTS.model_copy(update=paper))
    assert m.objectives() == {
        "classifier": {"L_C": 1},
        "discriminator": {"L_D": 1},
        "generator": {"L_G_x": 1, "L_G_D": 1, "L_G_C": 1, "L_GD": 1e-3, "L_GC": 1e-3},
        "encoder": {"L_KL": 3, "L_G_x": 1, "L_G_D": 1, "L_G_C": 1},
    }


@pytest.mark.parametrize("make", [cvae, frozen])
@pytest.mark.parametrize("network", cvaegan.CVAEGAN.NETWORKS)
def test_the_gradient_of_a_network_is_that_of_its_own_objective(make, network):
    m = make()
    own, L = m.objectives().get(network, {}), m.terms(batch())
    if not own:
        pytest.skip("does not learn")
    objective = sum(w * L[term] for term, w in own.items())
    parameters = list(getattr(m, network).parameters())
    expected = torch.autograd.grad(objective, parameters, retain_graph=True, materialize_grads=True)
    torch.testing.assert_close(gradients(m, L, m.objectives())[network], list(expected))


@pytest.mark.parametrize(("make", "moved"), [(cvae, set(PAPER)), (frozen, set(PAPER) - {"classifier"})])
def test_an_update_moves_exactly_the_networks_that_learn(make, moved):
    assert moved_by_an_update(make(), batch()) == moved
    for name in moved:
        assert moved_alone(make(), batch(), name) == {name}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_reaches_the_networks_that_are_said_to_be_reached(term):
    m = cvae()
    value = m.terms(batch())[term]
    for name in m.NETWORKS:
        found = torch.autograd.grad(value, list(getattr(m, name).parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None for g in found) == (name in m.REACHES[term]), name


def test_E_and_G_share_a_backward_pass_and_so_do_C_and_D():
    assert [names for names, _ in passes(cvae().objectives(), cvae().REACHES)] == [
        ["classifier", "discriminator"],
        ["generator", "encoder"],
    ]


def test_the_first_batch_sets_the_averages_and_later_ones_move_them():
    means = ClassMeans(3, 2, decay=0.75)
    f, c = torch.tensor([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]), torch.tensor([0, 2, 0])
    torch.testing.assert_close(means(f, c), torch.tensor([[3.0, 4.0], [3.0, 4.0], [3.0, 4.0]]))
    means.move()
    moved = means(torch.tensor([[7.0, 8.0], [1.0, 1.0]]), torch.tensor([0, 1]))
    torch.testing.assert_close(moved, torch.tensor([[4.0, 5.0], [1.0, 1.0]]))
    means.move()
    torch.testing.assert_close(means.means, torch.tensor([[4.0, 5.0], [1.0, 1.0], [3.0, 4.0]]))


def test_the_gradient_takes_the_way_of_the_batchs_share():
    means = ClassMeans(2, 2, decay=0.75)
    means(torch.ones(1, 2), torch.tensor([0]))
    means.move()
    f = torch.randn(3, 2, requires_grad=True)
    means(f, torch.tensor([0, 0, 1]))[[0, 2]].sum().backward()
    torch.testing.assert_close(f.grad, torch.tensor([[0.125, 0.125], [0.125, 0.125], [1.0, 1.0]]))


def test_averages_that_were_looked_at_and_not_kept_stay():
    means = ClassMeans(2, 2, decay=0.5)
    means(torch.ones(1, 2), torch.tensor([0]))
    assert not means.means.any()
    assert not means.seen.any()


def test_a_step_keeps_the_averages_of_its_batch():
    m, sampled = cvae(), batch()
    made = m.configure_optimizers()
    m.optimizers = lambda: made
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    with torch.no_grad():
        f_C, _ = m.classifier(sampled.x)
    m.training_step(sampled, 0)
    torch.testing.assert_close(m.means_real.means, torch.stack([f_C[[0, 2]].mean(0), f_C[1], f_C[3]]))
    assert m.means_fake.seen.tolist() == [1, 1, 1]
    assert {"means_real.means", "means_fake.seen"} <= m.state_dict().keys()


def test_the_same_noise_is_another_face_for_another_person():
    G = cvae().generator
    z = torch.randn(1, 4).expand(2, -1)
    a, b = G(z, torch.tensor([0, 1]))
    assert a.shape == (3, 32, 32)
    assert not torch.allclose(a, b)


def test_what_is_known_to_nobody_is_begun_anew():
    torch.manual_seed(0)
    m = cvae(recognisers="scratch")
    torch.manual_seed(0)
    assert not torch.equal(m.classifier.head.weight, cvae().classifier.head.weight)


def test_people_are_told_apart_from_the_first_step_as_C_tells_them():
    torch.manual_seed(0)
    m = cvae(class_vectors="pretrained")
    C = torch.nn.functional.normalize(m.classifier.head.weight, dim=1)
    for network in (m.generator, m.encoder):
        vectors = network.embedding.weight
        torch.testing.assert_close(vectors @ C.T, 8**0.5 * C @ C.T)
        assert vectors.requires_grad
    torch.manual_seed(0)
    assert not torch.allclose(cvae().generator.embedding.weight, m.generator.embedding.weight)


def test_C_sees_faces_of_G_behind_a_blur_and_photographs_as_they_are():
    m = cvae(WEIGHTS.model_copy(update={"feature_C_blur": 1.0}))
    seen = {m.classifier: [], m.discriminator: []}
    for network in seen:
        network.register_forward_pre_hook(lambda network, images: seen[network].append(images[0]))
    sampled = batch()
    mu, logvar = m.encoder(sampled.x, sampled.c)
    made = [m.generator(z, sampled.c) for z in (mu + (0.5 * logvar).exp() * sampled.noise, sampled.prior)]
    m.terms(sampled)
    torch.testing.assert_close(seen[m.classifier], [sampled.x, *(blurred(x, 1.0) for x in made)])
    torch.testing.assert_close(seen[m.discriminator], [sampled.x, *made])


def test_E_is_told_whose_face_it_sees():
    m, sampled = cvae(), batch()
    mu, _ = m.encoder(sampled.x, sampled.c)
    other, _ = m.encoder(sampled.x, (sampled.c + 1) % 3)
    assert not torch.allclose(mu, other)


def test_L_C_is_of_real_photographs():
    m, sampled = cvae(), batch()
    _, scores = m.classifier(sampled.x)
    torch.testing.assert_close(m.terms(sampled)["L_C"], losses.classification(scores, sampled.c))
