"""Each profile is a list of settings that `make NAME` hands to `dvc exp run`, making valid params."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from dvc.utils.hydra import apply_overrides
from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline.params import Params, load_params
from tools.ablations import listed

ROOT = Path(__file__).parent.parent
PROFILES = sorted(path.name for path in (ROOT / "profiles").iterdir() if not path.suffix)

# What departs from the papers without a "(paper: …)" in the schema, and the value that switches it off.
FURTHER_DEPARTURES = {
    "pretrain.matrix_learning_rate": 0.0,
    "pretrain.margin": 0.0,
    "pretrain.augment": False,
    "data.rendered.unlabelled": 6000,
    "train.unlabelled": 0.1,
    "train.average_images": 0,
    "train.class_vectors": "random",
    "train.learning_rate_schedule": "constant",
}
NOT_ABLATED = {"data.rendered.unlabelled"}  # by default there are more than 16,000 images can show
# Sums of squares instead of means: the same rate would be another one.
SCALED_BY_THE_DEPARTURES = {"train.learning_rate"}


BELOW = {"paper_cvaegan": "paper"}  # profile -> the one whose settings stand before its own


def own_settings(profile: str) -> list[str]:
    words = (ROOT / "profiles" / profile).read_text(encoding="utf-8").split()
    form = f"profiles/{profile}: every line should be `-S section.key=value`"
    assert words[::2] == ["-S"] * (len(words) // 2), form
    return words[1::2]


def settings(profile: str) -> list[str]:
    below = own_settings(BELOW[profile]) if profile in BELOW else []
    return [*below, *own_settings(profile)]


@pytest.fixture
def params_of(tmp_path):
    """The params with a profile's settings, made by the code that `dvc exp run -S` runs."""

    def params(profile: str) -> Params:
        shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
        # DVC refuses keys that params.yaml does not have.
        apply_overrides(tmp_path / "params.yaml", settings(profile))
        return load_params(tmp_path / "params.yaml")

    return params


def flat(values: dict[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def published(schema: type[BaseModel], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Each key whose description says "(paper: VALUE)", with that value."""
    for key, field in schema.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from published(field.annotation, f"{prefix}{key}.")
        elif said := re.search(r"\(paper: ([^,)]+)", field.description or ""):
            yield f"{prefix}{key}", said[1]


def test_there_are_those_that_the_readme_names():
    assert PROFILES == ["gpu", "paper", "paper_cvaegan", "photos", "photos_and_heads", "smoke"]
    named = re.findall(r"^\| `(\w+)` ", (ROOT / "profiles/README.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(named) == PROFILES


@pytest.mark.parametrize("profile", PROFILES)
def test_its_settings_make_valid_params(profile, params_of):
    assert isinstance(params_of(profile), Params)


@pytest.mark.parametrize("profile", PROFILES)
def test_make_runs_it(profile):
    settings = ["train.images=9", "train.seed=1"]
    files = " ".join(f"profiles/{name}" for name in (BELOW.get(profile), profile) if name)
    experiment = f"dvc exp run $(cat {files}) {' '.join(f'-S {setting}' for setting in settings)}"
    expected = f"python tools/smoke.py {' '.join(settings)}" if profile == "smoke" else experiment
    command = ["make", "--dry-run", profile, f"SETTINGS={' '.join(settings)}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert expected in [" ".join(line.split()) for line in done.stdout.splitlines()]


@pytest.mark.parametrize("profile", PROFILES)
def test_it_sets_each_key_once(profile):
    keys = [setting.partition("=")[0] for setting in own_settings(profile)]
    assert sorted(keys) == sorted(set(keys))


@pytest.fixture
def made(tmp_path):
    """`make PROFILE`, and what DVC is asked then; DVC itself would train."""
    for name in ("Makefile", "requirements.lock", "requirements-torch.lock"):
        shutil.copy(ROOT / name, tmp_path)
    shutil.copytree(ROOT / "profiles", tmp_path / "profiles")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "dvc").write_text('#!/bin/sh\necho dvc "$@"\n')
    (tmp_path / ".venv" / "bin" / "dvc").chmod(0o755)
    (tmp_path / ".venv" / ".installed").touch()
    subprocess.run(["git", "init", "--quiet"], cwd=tmp_path, check=True)

    def make(*given: str) -> "subprocess.CompletedProcess[str]":
        outside = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        return subprocess.run(["make", *given], cwd=tmp_path, env=outside, capture_output=True, text=True, check=False)

    return make


def test_make_runs_an_experiment_with_the_settings_of_a_profile_and_those_given(made):
    for profile in set(PROFILES) - {"smoke"}:  # which runs in a clone
        done = made(profile, "SETTINGS=train.images=7 train.seed=1")
        assert done.returncode == 0, done.stderr
        both = [word for setting in settings(profile) for word in ("-S", setting)]
        assert done.stdout.split() == ["dvc", "exp", "run", *both, "-S", "train.images=7", "-S", "train.seed=1"]


def test_a_mistyped_name_runs_nothing(made):
    done = made("gpuu")
    assert done.returncode != 0
    assert "dvc" not in done.stdout
    assert "gpuu" in done.stderr


def test_smoke_needs_nothing_but_the_repository(params_of):
    params = params_of("smoke")
    assert (params.data.source, params.evaluate.inception) == (("rendered",), "off")


def test_heads_beside_photographs_are_trained_on_and_nothing_else(params_of):
    photos, both = (params_of(profile) for profile in ("photos", "photos_and_heads"))
    people = both.data.rendered.people
    assert people.train > 0
    assert (people.judge, people.val, people.test) == (0, 0, 0)
    assert (photos.data.shares, photos.train) == (both.data.shares, both.train)
    assert photos.data.shares.judge == 0


def test_the_readme_lays_out_the_photographs_as_their_publishers_give_them(tmp_path):
    (recipe,) = re.findall(
        r"^```sh\n(.+?)^```$", (ROOT / "profiles/README.md").read_text("utf-8"), re.MULTILINE | re.DOTALL
    )
    names = ["orl faces/s1/1.pgm", "orl faces/s1/10.pgm", "orl faces/s40/1.pgm", "orl faces/README"]
    names += [
        f"london/{name}.{kind}" for name in ("neutral_front/001_03", "smiling_front/001_08") for kind in ("jpg", "tem")
    ]
    names += ["london/london_faces_info.csv", "congress/A000055.jpg"]
    for name in [*names, "data/photos/.gitkeep", "data/unlabelled/.gitkeep"]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    places = {"ORL": "orl faces", "LONDON": "london", "CONGRESS": "congress"}
    subprocess.run(["sh", "-ec", recipe], cwd=tmp_path, env={"PATH": os.environ["PATH"], **places}, check=True)
    laid = {str(file.relative_to(tmp_path / "data")) for file in (tmp_path / "data").rglob("*.*")}
    assert laid - {"photos/.gitkeep", "unlabelled/.gitkeep"} == {
        "photos/orl_s1/1.pgm", "photos/orl_s1/10.pgm", "photos/orl_s40/1.pgm",
        "photos/london_001/001_03.jpg", "photos/london_001/001_08.jpg", "unlabelled/A000055.jpg",
    }  # fmt: skip


def test_paper_has_every_value_that_the_papers_give(params_of):
    params = dict(flat(params_of("paper").model_dump()))
    expected = dict(published(Params))
    assert len(expected) > 10
    assert {key: str(params[key]).lower().removesuffix(".0") for key in expected} == expected


def test_paper_switches_the_further_departures_off(params_of):
    params = dict(flat(params_of("paper").model_dump()))
    assert {key: params[key] for key in FURTHER_DEPARTURES} == FURTHER_DEPARTURES


def test_cvaegan_of_the_paper_has_its_code_batch_and_start(params_of):
    p = params_of("paper_cvaegan")
    assert (p.model.method, p.model.attribute_dim, p.train.batch_size, p.train.recognisers) == (
        "cvaegan", 256, 64, "scratch",
    )  # fmt: skip
    w = p.losses.cvaegan
    assert (w.kl, w.reconstruction, w.feature_D, w.feature_C) == (3, 1, 1, 1)
    assert (w.mean_feature_D, w.mean_feature_C) == (1e-3, 1e-3)
    assert (p.train.unlabelled, p.data.rendered.unlabelled) == (0, 0)


def test_paper_and_gpu_differ_in_the_departures_alone(params_of):
    """So that comparing the two tells what the departures do."""
    gpu, paper = (dict(flat(params_of(profile).model_dump())) for profile in ("gpu", "paper"))
    differ = {key for key in gpu if gpu[key] != paper[key]}
    assert differ <= {*dict(published(Params)), *FURTHER_DEPARTURES, *SCALED_BY_THE_DEPARTURES}


@pytest.mark.parametrize("run", listed())
def test_the_settings_of_an_ablation_change_what_they_name(run, tmp_path):
    """A setting that is the default already would be a row about nothing."""
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    before = dict(flat(load_params(ROOT / "params.yaml").model_dump()))
    apply_overrides(tmp_path / "params.yaml", listed()[run])
    after = dict(flat(load_params(tmp_path / "params.yaml").model_dump()))
    assert {key for key in after if after[key] != before[key]} == {s.partition("=")[0] for s in listed()[run]}


def test_each_departure_is_switched_off_in_an_ablation():
    """To the papers' value; some are off in params.yaml, and on in profiles/gpu alone."""
    read, default = YAML(typ="safe").load, dict(flat(load_params(ROOT / "params.yaml").model_dump()))
    tried = {(key, read(value)) for run in listed().values() for key, _, value in (s.partition("=") for s in run)}
    off = {key: read(value) for key, value in published(Params)} | FURTHER_DEPARTURES
    missing = {key for key, value in off.items() if value != default[key] and (key, value) not in tried}
    assert missing == NOT_ABLATED
