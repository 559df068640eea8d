"""params.yaml is right, and a wrong one is explained."""

import subprocess
import sys

import pytest

from pipeline.params import ParamsError, load_params
from tests.conftest import ROOT

COMMITTED = (ROOT / "params.yaml").read_text()


def problems(tmp_path, *changes):
    text = COMMITTED
    for right, wrong in changes:
        assert text.count(right) == 1, right
        text = text.replace(right, wrong)
    path = tmp_path / "params.yaml"
    path.write_text(text)
    with pytest.raises(ParamsError) as error:
        load_params(path)
    return [line.removeprefix(f"{path}: ") for line in str(error.value).splitlines()]


def test_the_committed_params_are_valid():
    load_params(ROOT / "params.yaml")


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("image_size: 64", "image_size: 65", "data.image_size: Input should be 32, 64, 128 or 256 (got 65)"),
        ("image_size: 64", 'image_size: "64"', "data.image_size: Input should be 32, 64, 128 or 256 (got '64')"),
        ("gallery: 5", "gallery: 0", "evaluate.gallery: Input should be greater than or equal to 1 (got 0)"),
        ("gallery: 5", "gallery: 5\n  galery: 5", "evaluate.galery: Extra inputs are not permitted (got 5)"),
        ("  gallery: 5\n", "", "evaluate.gallery: Field required"),
        (
            "source: rendered",
            "source: renderd",
            "data.source: Input should be 'rendered', 'photos', 'manifest' or 'recordio' (got 'renderd')",
        ),
    ],
)
def test_a_mistake_is_named(tmp_path, right, wrong, message):
    assert problems(tmp_path, (right, wrong)) == [message]


@pytest.mark.parametrize(
    ("right", "wrong", "message"),
    [
        ("normalized_features: true", "normalized_features: false", "pretrain.margin"),
        ("samples_per_subject: 16", "samples_per_subject: 48", "synthesize.samples_per_subject"),
        ("grid_subjects: 8", "grid_subjects: 60", "synthesize.grid_subjects"),
        ("source: rendered", "source: [rendered, rendered]", "data.source: should name each source once"),
        ("recognisers: frozen", "recognisers: joint", "losses.ipgan.feature_C_target: should be photograph"),
        ("judge: 400, val: 16", "judge: 0, val: 16", "data.rendered.people.judge: should be at least 2 where"),
        ("val: 16, test: 48}", "val: 2, test: 48}", "data.rendered.people.val: should be at least 3 where"),
        ("margin: 0.0", "margin: 0.2", "data.margin: should be 0 with rendered heads"),
        ("val: 0.1, test: 0.2}", "val: 0.1, test: 0.3}", "data.shares"),
    ],
)
def test_a_contradiction_is_named(tmp_path, right, wrong, message):
    (line,) = problems(tmp_path, (right, wrong))
    assert line.startswith(message)


def test_beside_another_source_nobody_rendered_is_needed(tmp_path):
    text = COMMITTED.replace("judge: 400, val: 16, test: 48", "judge: 0, val: 0, test: 0")
    (tmp_path / "params.yaml").write_text(text.replace("source: rendered", "source: [photos, rendered]"))
    assert load_params(tmp_path / "params.yaml").data.rendered.people.test == 0


def test_what_one_method_wants_of_C_does_not_bind_the_other(tmp_path):
    text = COMMITTED.replace("recognisers: frozen", "recognisers: scratch")
    (tmp_path / "params.yaml").write_text(text.replace("method: ipgan", "method: cvaegan"))
    assert load_params(tmp_path / "params.yaml").train.recognisers == "scratch"


def test_every_problem_is_reported_at_once_contradictions_too(tmp_path):
    changes = [("gallery: 5", "gallery: x"), ("image_size: 64", "image_size: 65"), ("beta1: 0.9", "beta2: 0.9")]
    changes += [("normalized_features: true", "normalized_features: false")]
    lines = problems(tmp_path, *changes)
    assert [line.split(":")[0] for line in sorted(lines)] == [
        "data.image_size",
        "evaluate.gallery",
        "pretrain.margin",
        "train.beta1",
        "train.beta2",
    ]


def test_exponent_without_a_dot_is_a_number():
    assert load_params(ROOT / "params.yaml").pretrain.learning_rate == 1e-3


@pytest.mark.parametrize("content", ["a: [1", "just words", "", "- 1\n- 2"])
def test_what_is_no_params_file_is_refused_in_a_sentence(tmp_path, content):
    path = tmp_path / "params.yaml"
    path.write_text(content)
    with pytest.raises(ParamsError):
        load_params(path)


def test_a_folder_in_its_place_is_refused_in_a_sentence(tmp_path):
    (tmp_path / "params.yaml").mkdir()
    with pytest.raises(ParamsError, match=r"params\.yaml: cannot be read .*git checkout"):
        load_params(tmp_path / "params.yaml")


def test_the_command_line_says_it_without_a_traceback_and_exits_with_2(tmp_path):
    (tmp_path / "params.yaml").write_text(COMMITTED.replace("gallery: 5", "gallery: many"))
    command = [sys.executable, "-m", "pipeline", "evaluate"]
    done = subprocess.run(command, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr == "params.yaml: evaluate.gallery: Input should be a valid integer (got 'many')\n"
