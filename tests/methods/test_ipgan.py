"""Who learns from what (Bao et al. 2018, Algorithm 1), and that exactly that network moves."""

from pathlib import Path

import pytest
import torch

from pipeline import losses
from pipeline.datasets.pairs import PairBatches, Pairs
from pipeline.methods import ipgan
from pipeline.methods.asymmetric import passes
from pipeline.methods.recogniser import recogniser
from pipeline.methods.views import blurred
from pipeline.params import CVAEGANLosses, IPGANLosses, Losses, Model, Recogniser, Train
from tests.conftest import ROOT
from tests.datasets.test_pairs import prepared
from tests.methods.learning import gradients, has_term, moved_alone, moved_by_an_update

TERMS = ("L_I", "L_C", "L_D", "L_Q", "L_KL", "L_AQ", "L_GR", "L_GC", "L_GP", "L_GD", "L_adv")
PAPER = {
    "identity": {"L_I"},
    "classifier": {"L_C"},
    "discriminator": {"L_D"},
    "code_classifier": set(),
    "attributes": {"L_KL", "L_GR"},
    "generator": {"L_GR", "L_GC", "L_GD"},
}
OURS = {
    "discriminator": {"L_D"},
    "code_classifier": {"L_Q"},
    "attributes": {"L_KL", "L_AQ", "L_GR", "L_GC", "L_GD", "L_adv"},
    "generator": {"L_GR", "L_GC", "L_GD", "L_adv"},
}
OURS_OF_ONE_PERSON = {
    "discriminator": {"L_D"},
    "code_classifier": {"L_Q"},
    "attributes": {"L_KL", "L_AQ", "L_GR", "L_GP", "L_GD", "L_adv"},
    "generator": {"L_GR", "L_GP", "L_GD", "L_adv"},
}
PAPER_WEIGHTS = IPGANLosses(
    reconstruction=1.0, perceptual=0.0, focus=0.0, focus_features=0.0, cross=0.1, kl=1.0, feature_C=1.0,
    feature_C_pairs="all", feature_C_target="photograph", feature_C_blur=0.0, feature_C_slack=0.0, feature_D=1.0,
    adversarial=0.0, confusion=0.0, attributes_follow="reconstruction",
)  # fmt: skip
OUR_WEIGHTS = PAPER_WEIGHTS.model_copy(
    update={
        "perceptual": 3.0, "focus": 2.0, "focus_features": 4.0, "feature_C_pairs": "cross",
        "feature_C_blur": 1.0, "feature_C_slack": 0.01, "adversarial": 0.15, "confusion": 0.5,
        "attributes_follow": "generator",
    }
)  # fmt: skip
CVAEGAN_WEIGHTS = CVAEGANLosses(
    kl=3.0, reconstruction=1.0, feature_D=1.0, feature_C=1.0, feature_C_blur=0.0, mean_feature_D=1e-3,
    mean_feature_C=1e-3, class_decay=0.5,
)  # fmt: skip
TRAIN = Train(
    seed=0, images=800, batch_size=4, learning_rate=1e-3, matrix_learning_rate=0.0,
    learning_rate_schedule="constant", beta1=0.5, cross_every=2, recognisers="joint",
    class_vectors="random", unlabelled=0.0, flip=False,
    average_images=0, validate_images=400, precision="32-true", compiled=False,
)  # fmt: skip
PRETRAIN = Recogniser(
    seed=0, images=80, batch_size=4, learning_rate=1e-3, matrix_learning_rate=0.0, margin=0.25, scale=8.0,
    augment=False, precision="32-true",
)  # fmt: skip


def method(weights=PAPER_WEIGHTS, injection="concatenation", normalized=False, **train):
    model = Model(
        method="ipgan", identity_dim=8, attribute_dim=4, width=4, style_dim=8,
        injection=injection, normalized_features=normalized,
    )  # fmt: skip
    start = recogniser(model, 32, 3).state_dict()
    schedule = TRAIN.model_copy(update=train)
    return ipgan.build(model, PRETRAIN, Losses(ipgan=weights, cvaegan=CVAEGAN_WEIGHTS), schedule, 32, 3, start)


def ours(weights=OUR_WEIGHTS):
    departures = {"recognisers": "frozen", "learning_rate_schedule": "linear", "matrix_learning_rate": 0.01}
    return method(weights, "modulation", normalized=True, **departures)


def batch(same=False, size=4):
    x_s = torch.rand(size, 3, 32, 32) * 2 - 1
    x_a = x_s.clone() if same else torch.rand(size, 3, 32, 32) * 2 - 1
    c, c_a, landmarks = torch.arange(size) % 3, torch.arange(size) // 2 % 3, torch.rand(size, 5, 2) - 0.5
    return Pairs(x_s, x_a, c, c_a, torch.randn(size, 4), same, None, landmarks)


@pytest.mark.parametrize("same", [False, True])
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("network", ipgan.IPGAN.NETWORKS)
def test_with_the_papers_settings_each_network_learns_from_the_papers_terms(network, term, same):
    assert has_term(method(), batch(same), network, term) == (term in PAPER[network])


@pytest.mark.parametrize(("same", "table"), [(False, OURS), (True, OURS_OF_ONE_PERSON)])
@pytest.mark.parametrize("term", TERMS)
@pytest.mark.parametrize("network", ipgan.IPGAN.NETWORKS)
def test_with_ours_each_learns_from_ours(network, term, same, table):
    assert has_term(ours(), batch(same), network, term) == (term in table.get(network, ()))


def test_only_a_pair_of_one_person_is_compared_through_the_inner_layers():
    assert ours().objectives(same=False)["generator"]["L_GP"] == 0
    assert ours().objectives(same=True)["generator"]["L_GP"] == ours().objectives(same=True)["attributes"]["L_GP"] == 3


@pytest.mark.parametrize("same", [True, False])
def test_eyes_and_mouth_of_the_sample_weigh_more_in_a_pair_of_one_person_alone(same):
    m, pairs = ours(), batch(same)
    elsewhere = pairs._replace(landmarks=pairs.landmarks.flip(0))
    L, moved, without = (m.terms(p) for p in (pairs, elsewhere, pairs._replace(landmarks=None)))
    for term in ("L_GR", *(["L_GP"] if same else [])):
        assert torch.equal(L[term], moved[term]) == torch.equal(L[term], without[term]) == (not same), term


def test_a_pair_of_two_people_weighs_the_reconstruction_by_lambda():
    m = method()
    assert m.objectives(same=True)["generator"]["L_GR"] == 1
    assert m.objectives(same=False)["generator"]["L_GR"] == pytest.approx(0.1)
    assert m.objectives(same=False)["generator"]["L_GC"] == m.objectives(same=True)["generator"]["L_GC"] == 1


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("make", [method, ours])
@pytest.mark.parametrize("network", ipgan.IPGAN.NETWORKS)
def test_the_gradient_of_a_network_is_that_of_its_own_objective(make, network, same):
    m, pairs = make(), batch(same)
    own, L = m.objectives(same).get(network, {}), m.terms(pairs)
    if not any(own.values()):
        pytest.skip("does not learn")
    objective = sum(w * L[term] for term, w in own.items() if w)
    parameters = list(getattr(m, network).parameters())
    expected = torch.autograd.grad(objective, parameters, retain_graph=True, materialize_grads=True)
    torch.testing.assert_close(gradients(m, L, m.objectives(same))[network], list(expected))


@pytest.mark.parametrize("make", [method, ours])
def test_an_update_moves_exactly_the_networks_that_learn(make):
    m = make()
    learning = {name for name, weights in m.objectives(same=False).items() if any(weights.values())}
    assert moved_by_an_update(m, batch()) == learning
    for name in learning:
        assert moved_alone(make(), batch(), name) == {name}


@pytest.mark.parametrize("term", TERMS)
def test_a_term_reaches_the_networks_that_are_said_to_be_reached(term):
    """What `passes` relies on; a network that is said to be reached and is not costs a pass, the reverse a mistake."""
    weights = OUR_WEIGHTS.model_copy(update={"feature_C_pairs": "all"})
    m = method(weights, "modulation", normalized=True)
    value = m.terms(batch(same=True))[term]
    for name in m.NETWORKS:
        found = torch.autograd.grad(value, list(getattr(m, name).parameters()), retain_graph=True, allow_unused=True)
        assert any(g is not None for g in found) == (name in m.REACHES[term]), name


def test_no_generator_term_reaches_I_or_what_only_serves_G():
    m = method()
    L = m.terms(batch())
    for term in ("L_GR", "L_GC", "L_GD"):
        grads = torch.autograd.grad(L[term], list(m.identity.parameters()), retain_graph=True, allow_unused=True)
        assert all(g is None for g in grads)


def test_networks_share_a_backward_pass_where_neither_gets_the_others_terms():
    def shared(m):
        return [names for names, _ in passes(m.objectives(same=True), m.REACHES)]

    assert shared(ours()) == [["discriminator", "code_classifier"], ["attributes", "generator"]]
    assert shared(method()) == [["identity", "classifier", "discriminator"], ["attributes"], ["generator"]]


def test_a_batch_of_two_halves_gives_the_terms_of_the_whole():
    m, whole = ours().eval(), batch(size=4)
    halves = [Pairs(*(t[s] for t in whole[:5]), whole.same, None, whole.landmarks[s]) for s in (slice(2), slice(2, 4))]
    parts = [m.terms(half) for half in halves]
    for term, value in m.terms(whole).items():
        torch.testing.assert_close(value, (parts[0][term] + parts[1][term]) / 2, rtol=1e-4, atol=1e-5)


def test_the_learning_rate_rises_and_falls_to_zero_with_the_images_seen():
    m = ours()
    rates = []
    for m.batches_done in (0, 2, 100, 200):
        rates.append(m.rate())
    assert rates == pytest.approx([0.02, 0.52 * 0.99, 0.5, 0])


def test_the_image_is_as_large_as_asked_and_in_range():
    x = batch().x_s
    for m in (method(), ours()):
        out = m(x, x)
        assert out.shape == x.shape
        assert out.abs().max() <= 1


def test_what_comes_out_for_an_image_does_not_depend_on_its_batch():
    m, x = ours().eval(), batch().x_s
    torch.testing.assert_close(m(x, x)[:1], m(x[:1], x[:1]), rtol=1e-4, atol=1e-5)


def test_terms_that_nobody_minimizes_are_not_computed():
    m = ours(OUR_WEIGHTS.model_copy(update={"feature_D": 0.0, "adversarial": 0.0}))
    assert "L_GC" in m.terms(batch())
    assert "L_GP" in m.terms(batch(same=True))
    assert not {"L_I", "L_C", "L_GP", "L_D", "L_GD", "L_adv"} & m.terms(batch()).keys()
    assert not {"L_I", "L_GC", "L_C", "L_D", "L_GD", "L_adv"} & m.terms(batch(same=True)).keys()
    assert not {"L_Q", "L_AQ", "L_GP"} & method().terms(batch()).keys()


def test_features_that_are_known_beforehand_are_those_that_I_gives(tmp_path):
    faces = prepared(tmp_path / "faces", strangers=2)
    how = (faces, faces.of_split("train"), 4, 4, 0, 2, 0.3, False)
    with_images, by_place = (PairBatches(*how, places) for places in (False, True))
    asked, m = [], ours(OUR_WEIGHTS.model_copy(update={"confusion": 0.0})).eval()  # no Q: it knows three people
    m.identity.register_forward_hook(lambda *_: asked.append(1))
    m.remember(by_place)
    for step in range(3):
        seen, known = with_images[step], by_place[step]
        assert known.x_s is None
        expected = m.terms(seen)
        asked.clear()
        found = m.terms(known)
        assert not asked
        for term, value in expected.items():
            torch.testing.assert_close(found[term], value, rtol=1e-4, atol=1e-5)


def test_L_GC_can_want_what_the_persons_photographs_have_in_common(tmp_path):
    faces = prepared(tmp_path / "faces", strangers=2)
    batches = PairBatches(faces, faces.of_split("train"), 4, 4, 0, 2, 0.3, flip=True)
    weights = OUR_WEIGHTS.model_copy(update={"confusion": 0.0, "feature_C_target": "person"})
    m = ours(weights).eval()
    m.remember(batches)
    assert m.known is None  # a mirrored image has another f_I
    pairs = batches[1]
    x_out = m.generator(m.identity(pairs.x_s)[0], ipgan.sampled(*m.attributes(pairs.x_a), pairs.noise))
    f_C_out, _ = m.classifier(blurred(x_out, weights.feature_C_blur))
    f_I = torch.cat([m.identity(x)[0] for x in batches.in_order(len(batches.labels), 8)])
    labels = torch.from_numpy(batches.labels)
    means = ipgan.person_means(f_I[labels >= 0], labels[labels >= 0])
    wanted = torch.stack([f if c < 0 else means[c] for f, c in zip(m.identity(pairs.x_s)[0], pairs.c, strict=True)])
    assert set((pairs.c < 0).tolist()) == {True, False}
    expected = losses.half_squared_distance(f_C_out, wanted, slack=weights.feature_C_slack)
    torch.testing.assert_close(m.terms(pairs)["L_GC"], expected, rtol=1e-4, atol=1e-5)


def test_the_mean_of_a_person_is_as_long_as_the_photographs_features():
    f = torch.tensor([[3.0, 0.0], [0.0, 5.0], [2.0, 2.0], [0.0, 5.0]])
    found = ipgan.person_means(f, torch.tensor([1, 1, 0, 1]))
    mean = torch.tensor([3.0, 10.0]) / 109**0.5 * 13 / 3
    torch.testing.assert_close(found, torch.stack([f[2], mean]))


@pytest.mark.parametrize("update", [{"recognisers": "joint"}, {"flip": True}, {"images": 10}])
def test_features_that_change_or_are_hardly_used_are_not_computed_beforehand(update):
    settled = TRAIN.model_copy(update={"recognisers": "frozen", "flip": False, "images": 11})
    assert ipgan.remembers(settled, 10)
    assert not ipgan.remembers(settled.model_copy(update=update), 10)


def test_A_hides_what_Q_looks_for():
    m, pairs = ours(), batch()
    L = m.terms(pairs)
    of_A = [torch.autograd.grad(L[term], m.attributes.head.bias, retain_graph=True)[0] for term in ("L_Q", "L_AQ")]
    assert of_A[0].abs().max() > 0
    torch.testing.assert_close(of_A[0], -of_A[1])


def test_the_paper_profile_switches_every_departure_off():
    text = (Path(ROOT) / "profiles" / "paper").read_text()
    for name, value in PAPER_WEIGHTS.model_dump().items():
        assert f"-S losses.ipgan.{name}={value}" in text
    assert f"-S pretrain.matrix_learning_rate={PRETRAIN.matrix_learning_rate}" in text
    for name in (
        "matrix_learning_rate",
        "learning_rate_schedule",
        "cross_every",
        "recognisers",
        "class_vectors",
        "average_images",
    ):
        assert f"-S train.{name}={getattr(TRAIN, name)}" in text


@pytest.mark.parametrize(("normalized", "margin_and_scale"), [(False, (0.0, 1.0)), (True, (0.25, 8.0))])
def test_L_I_has_the_margin_and_scale_of_pretrain_where_scores_are_cosines(normalized, margin_and_scale):
    m, pairs = method(normalized=normalized), batch()
    _, scores = m.identity(pairs.x_s)
    expected = losses.classification(scores, pairs.c, *margin_and_scale)
    torch.testing.assert_close(m.terms(pairs)["L_I"], expected)
