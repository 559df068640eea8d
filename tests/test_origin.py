"""What a fingerprint is made of, and how it is said that two differ."""

from pathlib import Path

import pytest

from pipeline.origin import Origin, section_name
from pipeline.params import Backbone, load_params, narrowed
from tests.conftest import ROOT

ONE = load_params(ROOT / "params.yaml").evaluate
OTHER = ONE.model_copy(update={"gallery": ONE.gallery - 1})


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a").write_text("1")
    return Path("in")


def test_the_fingerprint_follows_params_and_the_names_and_bytes_of_inputs(folder):
    def now(section):
        return Origin.of("train", [section], [folder]).fingerprint()

    first = now(ONE)
    assert now(ONE) == first
    assert now(OTHER) != first
    (folder / "a").write_text("2")
    second = now(ONE)
    (folder / "a").rename(folder / "b")
    assert len({first, second, now(ONE)}) == 3


def test_a_part_of_a_section_has_its_name_and_follows_its_own_fields_alone(folder):
    model = load_params(ROOT / "params.yaml").model

    def now(**changed):
        part = narrowed(model.model_copy(update=changed), Backbone)
        return Origin.of("pretrain", [part], [folder])

    assert {name for name in now().params} == {"model.identity_dim", "model.width", "model.normalized_features"}
    first = now().fingerprint()
    assert now(method="cvaegan", injection="concatenation", attribute_dim=1, style_dim=2).fingerprint() == first
    assert now(width=8).fingerprint() != first
    assert narrowed(model, type(model)) is model


def test_the_code_that_matters_is_what_dvc_yaml_names_for_the_stage():
    code = Origin.of("train", [], []).code
    assert {"pipeline/losses.py", "pipeline/stages/train.py", "pipeline/training/resume.py"} <= code.keys()
    assert not {"pipeline/stages/judge.py", "pipeline/tracking/reporting.py", "pipeline/training"} & code.keys()
    assert all((ROOT / path).is_file() and not path.endswith(".pyc") for path in code)


def test_without_dvc_yaml_all_code_matters():
    """Of a stage that it does not name: as where the package is used without it."""
    assert {"pipeline/tracking/reporting.py", "pipeline/stages/judge.py"} <= Origin.of("unheard of", [], []).code.keys()


def test_a_difference_names_params_with_both_values_and_files():
    a = Origin({"train.batch_size": 32}, {"data/faces": "1"}, {"pipeline/losses.py": "1", "pipeline/a.py": "1"})
    b = Origin({"train.batch_size": 16, "train.new": 1}, {"data/faces": "2"}, {"pipeline/losses.py": "2"})
    assert b.unlike(a) == (
        "train.batch_size was 32 and is 16, train.new was absent and is 1, data/faces is another, and 2 more"
    )
    assert a._replace(code={}).unlike(a) == "pipeline/a.py is another, pipeline/losses.py is another"


def test_what_is_written_is_read_and_nothing_else_is(tmp_path):
    origin = Origin.of("train", [ONE], [])
    file = tmp_path / "origin.json"
    assert Origin.read(file) is None
    file.write_text(origin.text())
    assert Origin.read(file) == origin
    for nonsense in ("", "[]", "{}", '{"params": 1'):
        file.write_text(nonsense)
        assert Origin.read(file) is None


def test_params_have_their_names_in_params_yaml():
    params = load_params(ROOT / "params.yaml")
    assert [section_name(s) for s in (params.pretrain, params.judge, params.train)] == ["pretrain", "judge", "train"]
    assert "data.rendered.people.train" in Origin.of("prepare", [params.data], []).params
