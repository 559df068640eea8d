"""A stage imports what it needs: packages that take seconds, where nothing is done with them, stay on the disk."""

import os
import subprocess
import sys

import pytest

from pipeline import stages
from tests.conftest import ROOT

# Whatever a stage may import, and which of them it does: all are looked for in each.
HEAVY = {
    "albumentations",
    "dvc",
    "matplotlib",
    "openvino",
    "pandas",
    "pytorch_lightning",
    "torch",
    "torchmetrics",
    "wandb",
}
FITS = {"pytorch_lightning", "torch", "torchmetrics"}
IMPORTED = {
    "prepare": set(),
    "pretrain": FITS | {"albumentations"},
    "judge": FITS | {"albumentations"},
    "train": FITS,
    "synthesize": {"torch"},
    "evaluate": {"torch", "torchmetrics"},
    "report": set(),
}


def imported(code: str, among: set[str]) -> set[str]:
    """Which of these a new process has imported after the code."""
    env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "WANDB_MODE": "offline"}
    code += f"; import sys; print(*({among!r} & set(sys.modules)))"
    return set(subprocess.check_output([sys.executable, "-c", code], env=env, text=True).split())


@pytest.mark.parametrize("stage", stages.NAMES)
def test_a_stage_imports_of_what_takes_seconds_what_it_needs_and_no_more(stage):
    assert imported(f"import pipeline.__main__, pipeline.stages.{stage}", HEAVY) == IMPORTED[stage]


@pytest.mark.parametrize("module", ["devices", "spread", "weights", "optimizers"])
def test_what_a_network_is_used_with_does_not_import_the_trainer(module):
    assert imported(f"import pipeline.training.{module}", {"torch", "pytorch_lightning"}) == {"torch"}


@pytest.mark.parametrize("module", ["judging", "retrieval"])
def test_who_asks_a_judge_does_not_import_what_trains_one(module):
    among = {"torch", "pytorch_lightning", "albumentations"}
    assert imported(f"import pipeline.applications.{module}", among) == {"torch"}


def test_help_imports_no_schema():
    code = (
        "import pipeline.__main__ as m, contextlib, io, sys; sys.argv = ['pipeline', '--help']\n"
        "with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()): m.main()\n"
    )
    assert imported(code + "0", {"argparse", "pydantic", "psutil", "numpy"}) == {"argparse"}


def test_a_run_of_wandb_starts_without_its_launcher(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code = "from pipeline import tracking\nwith tracking.run('train') as run: run.log({'a': 1}, images=1)\n0"
    assert imported(code, {"wandb", "wandb.sdk.launch"}) == {"wandb"}
    assert list(tmp_path.glob("wandb/offline-run-*/*.wandb"))
