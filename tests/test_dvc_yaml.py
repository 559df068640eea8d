"""dvc.yaml and the code say the same; where they do not, `dvc repro` reports stale results as current."""

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import grimp
import pytest
from ruamel.yaml import YAML

from pipeline import paths, stages
from pipeline.params import Params

ROOT = Path(__file__).parent.parent
DVC_YAML: dict[str, Any] = YAML(typ="safe").load((ROOT / "dvc.yaml").read_text(encoding="utf-8"))
PARAMS: dict[str, Any] = YAML(typ="safe").load((ROOT / "params.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = DVC_YAML["stages"]
for _stage in STAGES.values():
    # Where photographs come from is a param: DVC puts its value into the dep.
    _stage["deps"] = [re.sub(r"\$\{data\.(\w+)\}", lambda m: PARAMS["data"][m[1]], dep) for dep in _stage["deps"]]
IMPORTS = grimp.build_graph("pipeline", cache_dir=None, exclude_type_checking_imports=True)
# Not deps, on purpose: what they change reaches a stage through `params:`, or changes no result.
NOT_DEPS = {
    "pipeline",
    "pipeline.errors",
    "pipeline.memory",
    "pipeline.origin",
    "pipeline.params",
    "pipeline.paths",
    "pipeline.provenance",
    "pipeline.settings",
    "pipeline.stages",
    "pipeline.stopping",
    "pipeline.terminal",
    "pipeline.tracking",
    "pipeline.work",
}

each_stage = pytest.mark.parametrize("stage", STAGES)


def outputs(stage: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each path that the stage writes, with what dvc.yaml says of it."""
    for kind in ("outs", "metrics", "plots"):
        for entry in STAGES[stage].get(kind, ()):
            yield (entry, {}) if isinstance(entry, str) else next(iter(entry.items()))


def code_of(stage: str) -> set[str]:
    """The stage's module and all of ours that importing it executes."""
    found: set[str] = set()
    todo = {f"pipeline.stages.{stage}"}
    while todo - found - NOT_DEPS:
        module = (todo - found - NOT_DEPS).pop()
        found.add(module)
        todo |= IMPORTS.find_modules_directly_imported_by(module) | named_at_run_time(module)
        # Importing a.b executes a/__init__.py too; one without imports is but a docstring.
        parent = module.rpartition(".")[0]
        if IMPORTS.find_modules_directly_imported_by(parent):
            todo.add(parent)
    return found


def named_at_run_time(module: str) -> set[str]:
    """The modules among which `import_module(f"pipeline.folder.{name}")` chooses."""
    text = (ROOT / file_of(module)).read_text(encoding="utf-8")
    folders = re.findall(r'import_module\(f"([\w.]+)\.\{\w[\w.]*\}"\)', text)
    calls = text.count("import_module(")
    assert len(folders) == calls, f"{module}: this test cannot tell what import_module chooses among"
    return {child for folder in folders for child in IMPORTS.find_children(folder)}


def file_of(module: str) -> Path:
    path = Path(*module.split("."))
    return path / "__init__.py" if (ROOT / path).is_dir() else path.with_suffix(".py")


def covered(path: Path, by: list[str]) -> bool:
    return any(path.is_relative_to(dep) for dep in by)


def test_the_stages_are_those_of_the_package():
    assert list(STAGES) == list(stages.NAMES)


@each_stage
def test_it_says_what_it_does(stage):
    assert STAGES[stage]["desc"].strip()


@each_stage
def test_the_command_names_the_stage(stage):
    assert STAGES[stage]["cmd"] == f"python -m pipeline {stage}"


@each_stage
def test_params_are_the_signature(stage):
    """A whole section by its name; of a part of one, the stage's type names the fields, which mypy holds it to."""
    wanted = []
    for name, parameter in inspect.signature(import_module(f"pipeline.stages.{stage}").run).parameters.items():
        assert issubclass(Params.model_fields[name].annotation, parameter.annotation)
        whole = parameter.annotation is Params.model_fields[name].annotation
        wanted += [name] if whole else [f"{name}.{field}" for field in parameter.annotation.model_fields]
    assert STAGES[stage]["params"] == wanted


@each_stage
def test_all_the_code_it_runs_is_a_dep(stage):
    missing = {str(file) for file in map(file_of, code_of(stage)) if not covered(file, STAGES[stage]["deps"])}
    assert missing == set()


@each_stage
def test_its_deps_name_code_that_it_runs(stage):
    code = [file_of(module) for module in code_of(stage)]
    unused = {
        dep
        for dep in STAGES[stage]["deps"]
        if dep.startswith("pipeline/")
        and not dep.endswith(".j2")
        and not any(file.is_relative_to(dep) for file in code)
    }
    assert unused == set()


@each_stage
def test_its_deps_are_in_the_repository_or_written_by_a_stage_before_it(stage):
    before = [path for name in list(STAGES)[: list(STAGES).index(stage)] for path, _ in outputs(name)]
    lost = {dep for dep in STAGES[stage]["deps"] if not (covered(Path(dep), before) or (ROOT / dep).exists())}
    assert lost == set()


@each_stage
def test_its_files_are_named_in_paths(stage):
    known = {str(path) for path in vars(paths).values() if isinstance(path, Path)}
    assert {path for path, _ in outputs(stage)} <= known


@each_stage
def test_metrics_and_plot_data_are_left_to_git(stage):
    """So that `git diff` and CI can compare them; DVC's cache holds the rest."""
    uncached = {path for path, flags in outputs(stage) if flags.get("cache") is False}
    compared = {path for path, _ in outputs(stage) if path.endswith(".json") or is_plot_data(path)}
    assert uncached == compared - {f"results/{stage}/run.json"}


@each_stage
def test_what_a_run_took_is_an_output_of_it_and_of_no_stage_an_input(stage):
    """It differs each time: as an input, it would make everything behind it stale."""
    assert (f"results/{stage}/run.json", {}) in list(outputs(stage))
    assert not [dep for dep in STAGES[stage]["deps"] if covered(Path("results/prepare/run.json"), [dep])]
    assert not [dep for dep in STAGES[stage]["deps"] if dep.endswith("run.json")]


@each_stage
def test_nothing_persists(stage):
    """With `persist: true` DVC would keep an old checkpoint when params change."""
    assert not [path for path, flags in outputs(stage) if "persist" in flags]


def test_every_metrics_file_is_shown_by_dvc_metrics_but_of_a_thousand_numbers_the_headline():
    written = {path for stage in STAGES for path, _ in outputs(stage) if is_metrics(path)}
    written = written - {str(paths.EVALUATE_METRICS)} | {str(paths.HEADLINE)}
    shown = names(DVC_YAML.get("metrics", ()))
    for stage in STAGES.values():
        shown |= names(stage.get("metrics", ()))
    assert shown == written


def test_all_plot_data_is_shown_by_dvc_plots():
    written = {path for stage in STAGES for path, _ in outputs(stage) if is_plot_data(path)}
    assert {path for path in written if path not in repr(DVC_YAML.get("plots"))} == set()
    files = {file.relative_to(ROOT).as_posix() for file in ROOT.glob("results/*/plots/*.csv")}
    assert len(files) > 10
    assert {file for file in files if file not in repr(DVC_YAML.get("plots"))} == set()


def names(entries: list[Any]) -> set[str]:
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def is_metrics(path: str) -> bool:
    return Path(path).name == "metrics.json"


def is_plot_data(path: str) -> bool:
    return "plots" in (Path(path).name, Path(path).parent.name)
