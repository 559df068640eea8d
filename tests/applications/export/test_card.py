"""The model card and docs/responsible-use.md: no figure that was not measured, and none of another model."""

import re
import shutil

import pytest
from ruamel.yaml import YAML

from pipeline import paths, provenance
from pipeline.applications.export import card
from pipeline.applications.export.description import Description
from pipeline.assets import ASSETS
from pipeline.errors import UserError
from tests.applications.test_recombine import save_model
from tests.conftest import ROOT

SAID = Description("0" * 16, "synthetic", "rendered", 32, 0.0, "largest", ((0.5, 0.5),), 8, 4, 18, {})
TOP1 = "0.9 (0.8 to 1)"


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A model, figures of it, and DVC's word that they belong together."""
    save_model(tmp_path)
    (tmp_path / paths.EVALUATE_METRICS).parent.mkdir(parents=True)
    told = '{"value": 0.9, "low": 0.8, "high": 1.0, "n": 10.0}'
    (tmp_path / paths.EVALUATE_METRICS).write_text(f'{{"identity/top1": {told}, "truth/psnr": 19.55}}')
    (tmp_path / paths.GROUPS).write_text(f'{{"skin/dark": {{"identity/top1": {told}, "identity/top1_real": {told}}}}}')
    monkeypatch.chdir(tmp_path)
    known = {place.as_posix(): provenance.md5(place) for place in (paths.MODEL, paths.EVALUATE_METRICS, paths.GROUPS)}
    (model, *results) = ({"path": path, "md5": md5} for path, md5 in known.items())
    with open("dvc.lock", "w") as lock:
        YAML().dump({"stages": {"evaluate": {"deps": [model], "outs": results}}}, lock)
    return tmp_path


def test_figures_of_this_very_model_are_in_it(project):
    shutil.copytree(project / paths.MODEL, project / "copy")
    for folder in (paths.MODEL, project / "copy"):
        text = card.card(SAID, 3, folder)
        assert f"| `identity/top1` | {card.FIGURES['identity/top1']} | {TOP1} |" in text
        assert "| `truth/psnr` | dB to the true recombination | 19.6 |" in text
        assert f"| skin/dark | {TOP1} | {TOP1} |" in text
        assert "Not measured" not in text


def test_figures_of_another_model_are_not(project):
    with (paths.MODEL / "weights.safetensors").open("ab") as file:
        file.write(b"trained on")
    text = card.card(SAID, 3, paths.MODEL)
    assert text.count("Not measured") == 2
    assert "0.9" not in text


@pytest.mark.parametrize("gone", ["dvc.lock", str(paths.EVALUATE_METRICS), str(paths.GROUPS)])
def test_without_results_or_dvcs_word_there_are_none(project, gone):
    (project / gone).unlink()
    assert card.card(SAID, 3, paths.MODEL).count("Not measured") == 2


def test_photographs_have_terms(project):
    assert "no photograph of anybody" in card.card(SAID, 3, paths.MODEL)
    text = card.card(SAID._replace(source="photos"), 40, paths.MODEL)
    assert "photographs (photos); 40 people" in text
    assert "the terms of the photographs hold as well" in text


def test_results_that_cannot_be_read_say_so(project):
    paths.GROUPS.write_text("{")
    with pytest.raises(UserError, match=r"groups.json: cannot be read; `git checkout"):
        card.biases()


def test_the_document_quotes_the_committed_evaluation(monkeypatch):
    monkeypatch.chdir(ROOT)
    page = (ROOT / "docs" / "responsible-use.md").read_text(encoding="utf-8")
    assert card.biases() in page
    found = {name: float(value) for name, value in re.findall(r"`(\w+/\w+)` is ([\d.]+)", page)}
    assert len(found) >= 4
    metrics = card._read(paths.EVALUATE_METRICS)
    for name, value in found.items():
        assert f"{metrics[name]['value']:.3g}" == f"{value:.3g}", name


def test_the_document_names_the_licence_of_every_network_and_data_set():
    page = (ROOT / "docs" / "responsible-use.md").read_text(encoding="utf-8")
    for name, asset in ASSETS.items():
        (row,) = [line for line in page.splitlines() if f"`{name}`" in line]
        assert asset.licence.partition(" (")[0].partition(":")[0] in row
    for data in ("Face Research Lab London Set", "United States government", "Olivetti", "CelebA"):
        assert data in page
