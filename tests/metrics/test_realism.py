"""The Fréchet distance has the values that others published, and those of three other formulas."""

import hashlib
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor, nn

from pipeline import assets
from pipeline.assets import ASSETS, Asset, AssetFile, fetch, locate
from pipeline.metrics.realism import (
    FrechetDistance,
    Gaussian,
    at_infinity,
    fit,
    frechet_between,
    frechet_distance,
    inception,
)


def distance(a: Tensor, b: Tensor) -> Tensor:
    return frechet_distance(fit(a), fit(b))


def test_the_same_features_have_no_distance():
    x = torch.randn(100, 16)
    assert distance(x, x) == pytest.approx(0, abs=1e-6)


def test_it_is_symmetric():
    a, b = torch.randn(100, 16), 2 * torch.randn(80, 16) + 1
    assert distance(a, b) == pytest.approx(distance(b, a).item())


def test_distance_of_lines_is_that_of_means_and_deviations():
    a, b = (
        Gaussian(torch.tensor([1.0]), torch.tensor([[4.0]])),
        Gaussian(torch.tensor([4.0]), torch.tensor([[9.0]])),
    )
    assert frechet_distance(a, b) == pytest.approx(3**2 + (3 - 2) ** 2)


def test_published_value_of_three_points():
    a, b = torch.tensor([[1.0, 2], [1, 2], [1, 2]]), torch.tensor([[2.0, 2], [1, 2], [1, 2]])
    assert distance(a, b) == pytest.approx(0.4444, abs=1e-4)


@pytest.mark.slow
def test_published_value_of_shifted_gaussians_in_2048_dimensions():
    eye = torch.eye(2048, dtype=torch.float64)
    a, b = (Gaussian(torch.full((2048,), mean, dtype=torch.float64), eye) for mean in (0.0, 1.0))
    assert frechet_distance(a, b) == pytest.approx(2048, abs=1e-6)


def test_fewer_images_than_dimensions_have_a_distance():
    x = torch.randn(5, 64)
    assert distance(x, x + 1) == pytest.approx(64, abs=1e-4)


def gaussians(images: int) -> tuple[Tensor, Tensor]:
    """Features in 32 dimensions of two kinds."""
    generator = np.random.default_rng(images)
    a, b = generator.normal(size=(images, 32)), generator.normal(1, 2, size=(images, 32))
    return torch.from_numpy(a), torch.from_numpy(b)


# With 12 images, 21 eigenvalues are 0 but for rounding, whose roots both others add up: found 8e-7, so 5e-6.
@pytest.mark.parametrize(("images", "tolerance"), [(200, 1e-10), (33, 1e-10), (12, 5e-6)])
def test_scipy_has_the_same_of_random_gaussians_also_where_they_are_singular(images, tolerance):
    a, b = gaussians(images)
    s_a, s_b = (np.cov(x, rowvar=False) for x in (a, b))
    shift = (a.mean(0) - b.mean(0)).square().sum().item()
    expected = shift + np.trace(s_a) + np.trace(s_b) - 2 * np.trace(sqrtm(s_a @ s_b)).real
    assert distance(a, b).item() == pytest.approx(expected, abs=tolerance, rel=0)


# By torch-fidelity 0.4.0, its metric_fid:
# fid_statistics_to_metric(*map(fid_features_to_statistics, gaussians(images)), verbose=False)
@pytest.mark.parametrize(
    ("images", "value", "tolerance"), [(200, 73.02109178392965, 1e-10), (12, 142.81881405650594, 5e-6)]
)
def test_torch_fidelity_has_the_same_of_random_gaussians_also_where_they_are_singular(images, value, tolerance):
    assert distance(*gaussians(images)).item() == pytest.approx(value, abs=tolerance, rel=0)


@pytest.mark.parametrize("size", [1, 7, 300])
def test_it_does_not_depend_on_the_batches(size):
    a, b = torch.randn(300, 16) + 3, torch.rand(300, 16)
    metric = FrechetDistance(16)
    for rows in torch.arange(300).split(size):
        metric.update(a[rows], real=True)
        metric.update(b[rows], real=False)
    assert metric.compute() == pytest.approx(distance(a, b).item(), abs=1e-9)


def test_autocast_does_not_reach_it():
    a, b = torch.randn(100, 16), torch.rand(100, 16)
    metric = FrechetDistance(16)
    with torch.autocast("cpu", torch.bfloat16):
        metric.update(a, real=True)
        metric.update(b, real=False)
        value = metric.compute()
    assert value.dtype == torch.float64
    assert value == pytest.approx(distance(a, b).item(), abs=1e-9)


def test_few_images_are_warned_of():
    metric = FrechetDistance(16)
    metric.update(torch.randn(40, 16), real=True)
    metric.update(torch.randn(31, 16), real=False)
    with pytest.warns(UserWarning, match="31 synthesized and 40 real images are few for 16 dimensions"):
        metric.compute()


def test_one_image_has_no_covariance():
    metric = FrechetDistance(2)
    metric.update(torch.randn(8, 2), real=True)
    metric.update(torch.randn(1, 2), real=False)
    with pytest.warns(UserWarning, match="few for 2"), pytest.raises(ValueError, match="got 1"):
        metric.compute()


@pytest.mark.parametrize(
    ("features", "message"),
    [(torch.zeros(3, 8), r"should be \[B, 4\], not \(3, 8\)"), (torch.full((3, 4), torch.inf), "not finite")],
)
def test_features_that_are_none_are_refused(features, message):
    with pytest.raises(ValueError, match=message):
        FrechetDistance(4).update(features, real=True)


@pytest.mark.shared
def test_it_agrees_with_three_other_formulas_on_features_of_real_faces(shared):
    features = {key: torch.from_numpy(x) for key, x in np.load(shared / "reference/face_features.npz").items()}
    order = np.random.RandomState(0).permutation(1510)
    lfw = features["lfw_gray"]
    assert distance(lfw[order[:755]], lfw[order[755:]]) == pytest.approx(16.627640, abs=1e-5)
    assert distance(lfw, features["congress"]) == pytest.approx(56.971391, abs=1e-5)
    assert distance(lfw, features["orl"]) == pytest.approx(151.350545, abs=1e-5)
    assert distance(features["london_neutral"], features["london_smiling"]) == pytest.approx(28.069510, abs=1e-5)


@pytest.mark.parametrize(("made", "real"), [(2, 3), (20, 30), (31, 33), (40, 200)])
def test_of_few_images_it_is_the_same_in_the_space_that_they_span(made, real):
    generator = torch.Generator().manual_seed(0)
    mixed = torch.randn(64, 64, generator=generator)
    a = torch.randn(made, 64, generator=generator) @ mixed + 1
    b = torch.randn(real, 64, generator=generator)
    wanted = frechet_distance(fit(a), fit(b))
    assert frechet_between(a, b).item() == pytest.approx(wanted.item(), rel=1e-6)  # float64's roots of rounded zeros
    assert frechet_between(b, a).item() == pytest.approx(wanted.item(), rel=1e-6)


def test_endless_images_of_the_same_kind_have_no_distance():
    """Where 2,000 of them still have one, by their number alone."""
    generator = torch.Generator().manual_seed(0)
    real = torch.randn(40_000, 32, generator=generator)
    fake = torch.randn(2000, 32, generator=generator)
    biased = distance(real, fake).item()
    assert biased > 0.15
    assert abs(at_infinity(real, fake)) < 0.25 * biased


class StandIn(nn.Module):
    """Has the interface of NVIDIA's script: uint8 in; features, or logits of 1008 classes, out."""

    def forward(self, img: Tensor, return_features: bool = False) -> Tensor:
        x = img.to(torch.float32).mean([2, 3])
        return x if return_features else x.new_zeros(len(x), 1008)


@pytest.fixture
def script(tmp_path):
    path = tmp_path / "inception.pt"
    torch.jit.script(StandIn()).save(str(path))
    return path


def test_inception_is_fed_bytes_and_asked_for_features(script):
    images = torch.randint(0, 256, (5, 3, 32, 32), dtype=torch.uint8)
    features = inception(script)(images)
    torch.testing.assert_close(features, images.float().mean((2, 3)))


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def address(script, monkeypatch):
    """Of a server on the loopback interface that has the script."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(script.parent))) as http:
        thread = threading.Thread(target=http.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}/{script.name}"
        http.shutdown()
        thread.join()


def test_inception_as_fetched_sees_what_the_served_script_sees(script, address, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    if not assets._cache().is_relative_to(tmp_path):
        pytest.skip("this system's cache folder cannot be moved for a test")
    published = ASSETS["inception"]
    served = AssetFile(published.files[0].filename, address, hashlib.sha256(script.read_bytes()).hexdigest())
    monkeypatch.setitem(ASSETS, "inception", Asset(published.description, published.licence, (served,)))
    fetched = fetch("inception", timeout_s=10)
    assert fetched == locate("inception")
    images = torch.randint(0, 256, (5, 3, 299, 299), dtype=torch.uint8)
    features = inception(fetched.path, "cpu")(images)
    assert features.shape == (5, 3)
    torch.testing.assert_close(features, images.float().mean((2, 3)))


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.rand(2, 3, 32, 32), "should be uint8"),
        (torch.zeros(2, 32, 32, 3, dtype=torch.uint8), r"\[B, 3, S, S\], not torch.uint8 \(2, 32, 32, 3\)"),
        (torch.zeros(2, 3, 512, 512, dtype=torch.uint8), "512 pixels: shrink them to 299"),
    ],
)
def test_inception_refuses_other_images(script, images, message):
    with pytest.raises(ValueError, match=message):
        inception(script)(images)
