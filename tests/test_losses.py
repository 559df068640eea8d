"""Each loss against a value worked out by hand, and for the property that makes it that loss."""

import math

import pytest
import torch
from torch.nn.functional import normalize

from pipeline import losses

PAIRS = (losses.kl, losses.half_squared_distance, losses.adversarial_D)


def test_kl_is_zero_at_the_standard_normal():
    assert losses.kl(torch.zeros(2, 3), torch.zeros(2, 3)) == 0


def test_kl_value():
    # variance 1: half the squared mean, here 0.5 and 2; the batch is averaged
    mu = torch.tensor([[1.0, 0.0], [0.0, 2.0]])
    assert losses.kl(mu, torch.zeros(2, 2)) == pytest.approx((0.5 + 2.0) / 2)


def test_kl_counts_a_narrow_variance():
    logvar = torch.full((2, 1), math.log(0.25))
    assert losses.kl(torch.zeros(2, 1), logvar) == pytest.approx(0.5 * (0.25 + math.log(4) - 1))


def test_a_distance_sums_over_pixels_and_averages_over_the_batch():
    a, b = torch.full((2, 3, 4, 4), -1.0), torch.ones(2, 3, 4, 4)
    assert losses.half_squared_distance(a, b) == pytest.approx(0.5 * 4 * 48)


def test_what_is_within_the_slack_costs_nothing():
    a, b = torch.zeros(2, 1), torch.tensor([[1.0], [4.0]])  # distances of 0.5 and 8
    assert losses.half_squared_distance(a, b, slack=1.0) == pytest.approx((0 + 7) / 2)


def test_distance_does_not_depend_on_batch_size():
    a, b = torch.randn(8, 3, 4, 4), torch.randn(8, 3, 4, 4)
    halves = [losses.half_squared_distance(a[s], b[s]) for s in (slice(4), slice(4, 8))]
    torch.testing.assert_close(sum(halves) / 2, losses.half_squared_distance(a, b))


def test_a_focus_counts_the_face_more_and_the_whole_the_same():
    loss, focus = losses.half_squared_distance, losses.face_focus(16, 4.0)
    a, middle, corner = (torch.zeros(1, 3, 16, 16) for _ in range(3))
    middle[:, :, 8, 8] = corner[:, :, 0, 0] = 1
    assert loss(a, middle, focus) > 3 * loss(a, corner, focus)
    assert loss(a, a + 1, focus) == pytest.approx(float(loss(a, a + 1)))


def test_a_focus_on_features_follows_each_images_own_landmarks():
    """Eyes at a quarter and three quarters of the first row of bumps, the mouth below; the second face stands lower."""
    points = torch.tensor([[-0.5, -0.25], [0.5, -0.25], [0.0, 0.0], [-0.25, 0.5], [0.25, 0.5]])
    landmarks = torch.stack([points, points + torch.tensor([0.0, 0.25])])
    weights = losses.focused_on(torch.ones(64, 64), landmarks, 8.0)
    assert weights.shape == (2, 1, 64, 64)
    torch.testing.assert_close(weights.mean(dim=(1, 2, 3)), torch.ones(2))
    rows, columns = [24, 24, 48], [16, 48, 32]  # of eyes and mouth
    peaks, base = weights[0, 0, rows, columns], weights[0, 0, 0, 0]
    torch.testing.assert_close(peaks / base, torch.full((3,), 9.0), rtol=0.02, atol=0)
    torch.testing.assert_close(weights[1, 0, 8:], weights[0, 0, :-8] * weights[1, 0, 0, 0] / base, rtol=1e-3, atol=1e-4)
    a, eye, cheek = (torch.zeros(2, 3, 64, 64) for _ in range(3))
    eye[0, :, 24, 16] = cheek[0, :, 36, 16] = 1
    loss = losses.half_squared_distance
    assert loss(a, eye, weights) > 5 * loss(a, cheek, weights)


def test_no_focus_weighs_every_pixel_the_same():
    torch.testing.assert_close(losses.face_focus(16, 0.0), torch.ones(16, 16))


def test_confusion_is_lowest_where_nothing_can_be_told():
    c = torch.tensor([0, 1])
    told, guessed, misled = torch.eye(2) * 9, torch.zeros(2, 2), torch.eye(2).flip(0) * 9
    assert losses.confusion(told, c) > losses.confusion(guessed, c) == pytest.approx(-math.log(2))
    assert losses.confusion(misled, c) == pytest.approx(-math.log(2) - 0.5)


@pytest.mark.parametrize("loss", PAIRS)
def test_a_pair_refuses_to_broadcast(loss):
    with pytest.raises(ValueError, match=r"shapes differ: \(2, 3\) and \(1, 3\)"):
        loss(torch.zeros(2, 3), torch.zeros(1, 3))


def test_adversarial_terms_at_indifference():
    zeros = torch.zeros(4, 1)
    assert losses.adversarial_D(zeros, zeros) == pytest.approx(2 * math.log(2))
    assert losses.adversarial_G(zeros) == pytest.approx(math.log(2))


def test_D_wants_real_high_and_fake_low_and_G_wants_fake_high():
    high, low = torch.full((2, 1), 5.0), torch.full((2, 1), -5.0)
    assert losses.adversarial_D(high, low) < 0.02 < losses.adversarial_D(low, high)
    assert losses.adversarial_G(high) < 0.01 < losses.adversarial_G(low)


def test_classification_of_even_scores():
    assert losses.classification(torch.zeros(3, 4), torch.tensor([0, 1, 3])) == pytest.approx(math.log(4))


UNKNOWN_TAKING = {
    "classification": lambda scores, c: losses.classification(scores, c, 0.25, 8.0),
    "confusion": losses.confusion,
}
unknown_taking = pytest.mark.parametrize("loss", UNKNOWN_TAKING.values(), ids=UNKNOWN_TAKING)


def test_an_unknown_person_adds_nothing_and_still_counts_in_the_mean():
    scores, c = torch.zeros(4, 3), torch.tensor([-1, 2, -1, -1])
    assert losses.classification(scores, c) == pytest.approx(math.log(3) / 4)
    assert losses.confusion(scores, c) == pytest.approx(-math.log(3) / 4)


def test_how_far_a_guess_may_be_missed_is_a_matter_of_each_sample():
    scores = torch.tensor([[0.0, 9.0], [0.0, 9.0], [9.0, 0.0], [0.0, 0.0]], requires_grad=True)
    value = losses.confusion(scores, torch.tensor([0, -1, 0, 0]))
    assert value.item() == pytest.approx(-(math.log(2) + 0.5 + math.log1p(math.exp(-9)) + math.log(2)) / 4)
    value.backward()
    assert [bool(g.any()) for g in scores.grad] == [False, False, True, True]


@unknown_taking
def test_nobody_known_is_zero_with_a_gradient_of_zero(loss):
    scores = torch.randn(4, 3, requires_grad=True)
    value = loss(scores, torch.full((4,), -1))
    value.backward()
    assert value == 0
    assert torch.equal(scores.grad, torch.zeros(4, 3))


@unknown_taking
def test_what_an_unknown_persons_scores_are_changes_nothing(loss):
    scores, c = (0.1 * torch.randn(4, 3)).requires_grad_(), torch.tensor([0, -1, 2, 1])  # near a guess
    other = scores.detach().clone()
    other[1] = torch.tensor([50.0, -50.0, 0.0])
    assert torch.equal(loss(scores, c), loss(other, c))
    loss(scores, c).backward()
    assert [bool(g.any()) for g in scores.grad] == [True, False, True, True]


@unknown_taking
@pytest.mark.parametrize("c", [[0, 1, 2, 0], [0, -1, 2, 1], [0, 1, -1, -1], [-1, -1, -1, -1]])
def test_the_mean_of_two_halves_is_the_whole_whoever_is_known_in_them(loss, c):
    scores, c = 0.1 * torch.randn(4, 3), torch.tensor(c)
    halves = [loss(scores[half], c[half]) for half in (slice(2), slice(2, 4))]
    torch.testing.assert_close(sum(halves) / 2, loss(scores, c))


def test_margin_is_taken_from_the_true_class_only_and_scaled():
    # 8 * (0.5 - 0.25) = 2 against 8 * 0.25 = 2, and 8 * (0.25 - 0.25) = 0 against 8 * 0.5 = 4
    value = losses.classification(torch.tensor([[0.5, 0.25], [0.5, 0.25]]), torch.tensor([0, 1]), 0.25, 8.0)
    assert value == pytest.approx((math.log(2) + math.log(1 + math.exp(4))) / 2)


def test_perceptual_distance_adds_layers_and_does_not_see_how_loud_they_are():
    even = torch.ones(16, 16)
    a = [torch.zeros(2, 3, 8, 8), torch.zeros(2, 5, 4, 4)]
    b = [x.clone() for x in a]
    for x, y in zip(a, b, strict=True):
        x[:, 0], y[:, 1] = 2.0, 7.0  # orthogonal everywhere: a squared distance of 2
    assert float(losses.perceptual_distance(a, b, even)) == pytest.approx(4)
    assert float(losses.perceptual_distance(a, [3 * x for x in a], even)) == pytest.approx(0, abs=1e-6)


def test_the_gradient_of_the_perceptual_distance_is_that_of_its_value():
    torch.manual_seed(0)
    a, b = torch.randn(3, 5, 4, 4, dtype=torch.double, requires_grad=True), torch.randn(3, 5, 4, 4, dtype=torch.double)
    focus = losses.focused_on(losses.face_focus(16, 4.0), torch.rand(3, 5, 2), 5.0).double()

    def distance(x):
        return losses.perceptual_distance([x, x[:, :, ::2]], [b, b[:, :, ::2]], focus)

    assert torch.autograd.gradcheck(distance, a)


def test_the_perceptual_distance_is_that_of_unit_vectors_and_leaves_its_inputs_alone():
    torch.manual_seed(0)
    a, b, focus = torch.randn(3, 5, 4, 4), torch.randn(3, 5, 4, 4), torch.ones(16, 16)
    before = a.clone()
    squares = (normalize(a, dim=1) - normalize(b, dim=1)).square().sum(dim=1)
    torch.testing.assert_close(losses.perceptual_distance([a], [b], focus), squares.mean())
    assert torch.equal(a, before)


def test_perceptual_distance_weighs_places_by_the_focus():
    a, b = torch.zeros(1, 2, 2, 2), torch.zeros(1, 2, 2, 2)
    a[:, 0] = b[:, 0] = 1
    b[0, :, 0, 0] = torch.tensor([0.0, 1.0])  # differs at one place of four
    focus = torch.zeros(4, 4)
    focus[:2, :2] = 4
    assert float(losses.perceptual_distance([a], [b], focus)) == pytest.approx(4 * 2 / 4)
    assert float(losses.perceptual_distance([a], [b], focus.flip(0))) == pytest.approx(0)


def test_the_distance_of_means_is_zero_for_batches_of_one_mean_and_half_a_square_otherwise():
    a, b = torch.tensor([[0.0, 2.0], [2.0, 0.0]]), torch.tensor([[1.0, 1.0], [1.0, 1.0]])
    assert losses.distance_of_means(a, b) == 0
    assert losses.distance_of_means(a + torch.tensor([3.0, 4.0]), b) == 12.5


def test_a_class_mean_stands_beside_each_of_its_samples():
    f, c = torch.tensor([[1.0], [3.0], [7.0]]), torch.tensor([5, 5, 2])
    assert losses.class_means(f, c).tolist() == [[2.0], [2.0], [7.0]]


def test_the_distance_by_class_counts_each_class_once():
    a, b = torch.tensor([[2.0], [2.0], [7.0]]), torch.tensor([[0.0], [0.0], [6.0]])
    assert losses.distance_by_class(a, b, torch.tensor([5, 5, 2])) == pytest.approx(0.5 * (4 + 1))


def given(n=4, d=32):
    """Arguments of each term, so many that half precision would show."""
    generator = torch.Generator().manual_seed(0)
    x, y = (torch.randn(n, d, generator=generator) for _ in range(2))
    c, images = torch.tensor([0, 1, 0, 2]), torch.randn(2, n, 3, 8, 8, generator=generator)
    landmarks = torch.rand(n, 5, 2, generator=generator) - 0.5
    focus = losses.face_focus(8, 4.0)
    return {
        "classification": (x, c),
        "kl": (x, y),
        "half_squared_distance": (x, y),
        "perceptual_distance": (images[:1], images[1:], focus),
        "focused_on": (focus, landmarks, 8.0),
        "confusion": (x, c),
        "distance_of_means": (x, y),
        "distance_by_class": (x, y, c),
        "class_means": (x, c),
        "adversarial_D": (x[:, :1], y[:, :1]),
        "adversarial_G": (x[:, :1],),
    }


def test_autocast_changes_no_digit_of_a_term():
    """It would make half precision of matrix products of float32."""
    assert set(given()) == {name for name, f in vars(losses).items() if hasattr(f, "__wrapped__")}
    for name, arguments in given().items():
        wanted = getattr(losses, name)(*arguments)
        with torch.autocast("cpu", torch.bfloat16):
            assert torch.equal(getattr(losses, name)(*arguments), wanted), name
