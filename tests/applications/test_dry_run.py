"""What a training would take is said without one, and nothing is written."""

import inspect
import os
import re
import shutil
import subprocess
import sys

import pytest
from dvc.utils.hydra import apply_overrides
from ruamel.yaml import YAML

from pipeline import paths
from pipeline.applications import dry_run
from pipeline.datasets.shards import ShardWriter
from pipeline.errors import UserError
from pipeline.methods import ipgan_networks
from pipeline.params import load_params
from pipeline.stages.train import run
from pipeline.training.devices import arithmetic
from tests.applications.test_watching import painted
from tests.conftest import ROOT


@pytest.fixture
def small(tmp_path):
    """A folder with the params of the smoke profile and nothing else."""
    shutil.copy(ROOT / "params.yaml", tmp_path)
    apply_overrides(tmp_path / "params.yaml", (ROOT / "profiles/smoke").read_text().split()[1::2])
    return tmp_path


@pytest.mark.slow
def test_the_other_method_has_a_cost_too(small):
    settings = ["model.method=cvaegan", "train.unlabelled=0.0", "train.flip=false"]
    apply_overrides(small / "params.yaml", settings)
    said = dry_run.dry_run(load_params(small / "params.yaml"))
    assert re.search(r"^encoder +[\d,]+ ", said, re.MULTILINE)
    assert re.search(r"^steps +40 of 8 images$", said, re.MULTILINE)
    assert re.search(r"^a step +[\d.]+ GFLOP, all networks and passes and Muon's products$", said, re.MULTILINE)


@pytest.mark.slow
def test_it_says_all_and_writes_nothing(small, tmp_path_factory):
    command = [sys.executable, "-m", "pipeline", "train", "--dry-run"]
    env = {"PYTHONPATH": str(ROOT), "PATH": os.environ["PATH"], "HOME": str(tmp_path_factory.mktemp("home"))}
    env["CUDA_VISIBLE_DEVICES"] = ""
    done = subprocess.run(command, cwd=small, env=env, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert [path.name for path in small.iterdir()] == ["params.yaml"]
    configuration, networks, cost = re.fullmatch(
        r"# configuration\n(.*)\n\n# networks\n(.*)\n\n# cost\n(.*)\n\n", done.stdout, re.DOTALL
    ).groups()
    params = load_params(small / "params.yaml")
    expected = {name: getattr(params, name).model_dump(mode="json") for name in dry_run.SECTIONS}
    assert YAML(typ="safe").load(configuration) == expected
    sizes = {
        name: sum(p.numel() for p in n.parameters())
        for name, n in ipgan_networks.networks(params.model, 32, 12).items()
    }
    for name, size in sizes.items():
        assert re.search(rf"^{name} +{size:,} ", networks, re.MULTILINE), name
    assert re.search(rf"^in all +{sum(sizes.values()):,} ", networks, re.MULTILINE)
    assert "for 12 people" in networks
    images = params.data.rendered.images_per_person.train
    for line in (
        rf"devices +1 x .+, {arithmetic(params.train.precision)}",
        rf"steps +40 of 8 pairs, one in {params.train.cross_every} of two people",
        r"a step +[\d.]+ GFLOP, .+",
        r"kept +\d+ MiB: .+",
        r"peak +[\d,]+ MiB of this process, .+",
        r"speed +[\d.e+]+ images/s, .+",
        r"time +[\d.]+ (s|min), .+",
        rf"at first {12 * images:,} images seen by I: [\d.]+ GFLOP, about [\d.]+ (s|min); .+ \d+ MiB",
    ):
        assert re.search(f"^{line}$", cost, re.MULTILINE), line


def test_prepared_data_knows_how_many_people_there_are(small, monkeypatch):
    monkeypatch.chdir(small)
    params = load_params()
    assert dry_run.known_data(params) == (12, 12 * params.data.rendered.images_per_person.train)  # as params say
    with ShardWriter(paths.FACES, "faces") as writer:
        source = painted(small / "painted", people=3)
        for n in range(12):
            split = "train" if n < 10 else "val"
            writer.add(f"{n}", source.image(n), {"identity": f"p{n // 4}", "split": split})
        writer.close()
    assert dry_run.known_data(params) == (3, 10)


def test_of_photographs_nobody_knows_it_before_they_are_prepared(small, monkeypatch):
    monkeypatch.chdir(small)
    apply_overrides(small / "params.yaml", ["data.source=photos"])
    with pytest.raises(UserError, match="run `dvc repro prepare` first"):
        dry_run.known_data(load_params())


def test_the_sections_are_those_of_the_stage():
    assert tuple(inspect.signature(run).parameters) == dry_run.SECTIONS
