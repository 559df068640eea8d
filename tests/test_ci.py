"""What runs elsewhere (CI, containers, hooks, updates) names what is here; none of it can be run by a test."""

import fnmatch
import importlib.metadata
import json
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parent.parent
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8").replace("\\\n", "")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
TARGETS = set(re.findall(r"^([a-z]+):", MAKEFILE, re.MULTILINE))

each_workflow = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: file.name)


def read(file: Path | str) -> dict[str, Any]:
    # YAML 1.2, as GitHub reads it: `on` is a word and no truth value.
    loaded: dict[str, Any] = YAML(typ="safe").load((ROOT / file).read_text(encoding="utf-8"))
    return loaded


def steps(file: Path) -> Iterator[dict[str, Any]]:
    for job in read(file)["jobs"].values():
        yield from job["steps"]


def scripts(file: Path) -> str:
    return "\n".join(step["run"] for step in steps(file) if "run" in step)


def made(text: str) -> set[str]:
    """The targets that `make` is called with."""
    return set(re.findall(r"\bmake ([\w-]+)", text))


def stages_of_the_image() -> dict[str, str]:
    """Name of each stage, the last one's being empty, -> what it says."""
    parts = re.split(r"^FROM \S+(?: AS (\w+))?$", DOCKERFILE, flags=re.MULTILINE)[1:]
    return {name or "": text for name, text in zip(parts[::2], parts[1::2], strict=True)}


def oldest_python() -> str:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return project["requires-python"].removeprefix(">=")


def test_there_is_a_workflow_for_lint_tests_and_a_smoke_run():
    assert made(scripts(ROOT / ".github/workflows/ci.yml")) >= {"lint", "test", "smoke", "summary", "stale"}


@each_workflow
def test_what_a_workflow_makes_is_in_the_makefile(file):
    assert made(scripts(file)) - TARGETS == set()


@each_workflow
def test_the_tools_that_a_workflow_names_are_there(file):
    named = re.findall(r"\btools/[\w./]+", scripts(file))
    named += [f"{name.replace('.', '/')}.py" for name in re.findall(r"python -m (tools\.[\w.]+)", scripts(file))]
    assert [name for name in named if not (ROOT / name).exists()] == []


@each_workflow
def test_what_a_workflow_sets_is_read(file):
    """By the Makefile, a tool, the tests or a program that says so by its prefix."""
    readers = [MAKEFILE, *(path.read_text(encoding="utf-8") for path in (ROOT / "tools").glob("*.py"))]
    readers += [(ROOT / "tests/conftest.py").read_text(encoding="utf-8")]
    workflow = read(file)
    given = [workflow.get("env", {}), *(job.get("env", {}) for job in workflow["jobs"].values())]
    given += [step.get("env", {}) for step in steps(file)]
    names = {name for env in given for name in env if not name.startswith(("PIP_", "WANDB_"))}
    assert {name for name in names if not any(name in text for text in readers)} == set()


@each_workflow
def test_a_workflow_may_read_and_no_more(file):
    workflow = read(file)
    assert workflow["permissions"] == {"contents": "read"}
    assert not [name for name, job in workflow["jobs"].items() if "permissions" in job]
    checkouts = [step for step in steps(file) if step.get("uses", "").startswith("actions/checkout@")]
    assert checkouts
    assert all(step["with"]["persist-credentials"] is False for step in checkouts)


@each_workflow
def test_a_workflow_takes_actions_by_commit(file):
    """A tag can be moved to other code; the version stands behind it as a comment, for updates."""
    used = re.findall(r"uses: (.+)", file.read_text(encoding="utf-8"))
    assert len(used) == len([step for step in steps(file) if "uses" in step])
    assert [line for line in used if not re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line)] == []


@each_workflow
def test_every_job_ends_and_an_older_commit_makes_way(file):
    workflow = read(file)
    assert all(5 <= job["timeout-minutes"] <= 60 for job in workflow["jobs"].values())
    assert "cancel-in-progress" in workflow["concurrency"]


@each_workflow
def test_nobody_elses_words_reach_a_shell(file):
    """An expression in a script is pasted into it, as the name of a branch could be."""
    assert "${{" not in scripts(file)


@each_workflow
def test_packages_are_cached_by_the_locks(file):
    for step in steps(file):
        if step.get("uses", "").startswith("actions/setup-python@"):
            locks = sorted(path.name for path in ROOT.glob(step["with"]["cache-dependency-path"]))
            assert (step["with"]["cache"], locks) == ("pip", ["requirements-torch.lock", "requirements.lock"])


def test_everything_runs_on_the_oldest_python_that_the_project_allows():
    workflows = [step["with"]["python-version"] for file in WORKFLOWS for step in steps(file) if "python-version" in
                 step.get("with", {})]  # fmt: skip
    image = re.findall(r"^ARG PYTHON=(\S+)$", DOCKERFILE, re.MULTILINE)
    assert workflows
    assert {*workflows, *image} == {oldest_python()}


def test_the_image_copies_what_is_here():
    copied = [line.split() for line in re.findall(r"^COPY (.+)$", DOCKERFILE, re.MULTILINE)]
    here = [words for words in copied if not any(word.startswith("--from=") for word in words)]
    sources = [word for words in here for word in words[:-1] if not word.startswith("--")]
    assert {"requirements.lock", "requirements-torch.lock", "tools/install", "."} == set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


def test_the_image_takes_its_parts_from_stages_that_are_before_them():
    known: list[str] = []
    for line in DOCKERFILE.splitlines():
        for name in re.findall(r"--from=(\w+)", line) + re.findall(r"^FROM (\w+)(?: |$)", line):
            assert name in known, line
        known += re.findall(r"^FROM .+ AS (\w+)$", line)


def test_the_image_is_no_superusers_and_makes_the_smoke_run():
    image = stages_of_the_image()
    assert re.findall(r"^USER (\w+)$", "".join(image.values()), re.MULTILINE) == ["facet"]  # in `base`, for all
    assert "USER facet" in image["base"]
    command = json.loads(re.search(r"^CMD (.+)$", image[""], re.MULTILINE)[1])
    assert command == ["make", "smoke"]
    assert "smoke" in TARGETS


def test_the_image_has_git_and_make_and_installs_what_the_makefile_does():
    image = stages_of_the_image()
    assert re.search(r"apt-get install .*\bgit make\b", image["base"])
    assert re.search(r"^INSTALLED := \$\(VENV\)/\.installed$", MAKEFILE, re.MULTILINE)
    assert "tools/install .venv" in image["environment"]
    assert image[""].index("COPY --chown=facet:facet . .") < image[""].index("RUN touch .venv/.installed")


def test_nothing_that_git_holds_is_kept_from_the_image():
    """In the image it would count as deleted, and the smoke run would go without."""
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    files = listed.stdout.splitlines()
    assert "README.md" in files
    assert [file for file in files if is_kept_from_the_image(file)] == []


@pytest.mark.parametrize(
    "file",
    ["data/photos/anna/1.jpg", "models/train/generator.safetensors", "wandb/run/a", "pipeline/__pycache__/a.pyc"],
)
def test_what_is_made_or_brought_here_is_kept_from_the_image(file):
    assert is_kept_from_the_image(file)


def is_kept_from_the_image(file: str) -> bool:
    """By Docker's rules: the last line that fits the file, or a folder that it is in, counts."""
    lines = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    kept = False
    for line in (line for line in lines if line and not line.startswith("#")):
        pattern = line.removeprefix("!")
        # With a slash before all of them, `**/` fits at the top too.
        names = [f"/{path}" for path in (Path(file), *Path(file).parents)]
        if any(fnmatch.fnmatch(name, f"/{pattern}".replace("/**/", "*/")) for name in names):
            kept = not line.startswith("!")
    return kept


def test_the_development_container_is_a_stage_of_the_image():
    told = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
    assert (ROOT / ".devcontainer" / told["build"]["dockerfile"]).resolve() == ROOT / "Dockerfile"
    assert (ROOT / ".devcontainer" / told["build"]["context"]).resolve() == ROOT
    assert told["build"]["target"] in stages_of_the_image()
    assert f'--create-home --uid "${{UID}}" --shell /bin/bash {told["remoteUser"]}' in DOCKERFILE
    assert made(told["postCreateCommand"]) == {"install"} & TARGETS


def test_updates_wait_until_a_release_is_two_weeks_old():
    updates = {entry["package-ecosystem"]: entry for entry in read(".github/dependabot.yml")["updates"]}
    assert updates.keys() == {"pip", "github-actions", "docker"}
    assert all(entry["cooldown"]["default-days"] >= 14 for entry in updates.values())
    assert all(entry["directory"] == "/" for entry in updates.values())
    # Of these no other keys are known, and one that is unknown stops all updates.
    assert all(updates[name]["cooldown"].keys() == {"default-days"} for name in ("github-actions", "docker"))


def test_the_extras_for_remotes_that_the_documents_name_are_dvc_s():
    named = re.findall(r"dvc\[(\w+)\]", (ROOT / "docs/ci.md").read_text(encoding="utf-8"))
    assert {"s3", "gs", "ssh"} <= {*named} <= {*importlib.metadata.metadata("dvc").get_all("Provides-Extra")}


def test_hooks_run_what_the_locks_installed():
    hooks = [hook for repo in read(".pre-commit-config.yaml")["repos"] for hook in repo["hooks"]]
    assert {repo["repo"] for repo in read(".pre-commit-config.yaml")["repos"]} == {"local"}
    assert all(hook["language"] == "system" for hook in hooks)
    assert made("\n".join(hook["entry"] for hook in hooks)) == {"lint"} & TARGETS
    others = [hook["entry"] for hook in hooks if not hook["entry"].startswith("make ")]
    assert all(entry.startswith(".venv/bin/ruff ") for entry in others)
