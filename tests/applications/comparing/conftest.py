"""Small repositories with the history of an experiment, and how the command is run in them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from PIL import Image

from tests.conftest import ROOT

PARAMS = {"train": {"images": 42000, "batch_size": 32}, "data": {"source": "rendered", "image_size": 64}}
EVALUATED = {
    "identity/top1": {"value": 0.8, "low": 0.75, "high": 0.85, "n": 768},
    "attributes/yaw_error": {"value": 6.0, "low": 5.0, "high": 7.0, "n": 768},
    "attributes/smile_error": 0.5,
    "not_measured": {"realism/fid": ["evaluate.inception is off"]},
}
VALIDATION = "images,val/own_subject\n6000,0.25\n12000,0.5\n"


class Project:
    """A repository whose commits have results."""

    def __init__(self, top: Path) -> None:
        self.top = top
        self.command("git", "init", "-q", "-b", "main")

    def command(self, *words: str, **variables: str) -> subprocess.CompletedProcess:
        env = {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "HOME": str(self.top)}
        env |= {"PYTHONPATH": str(ROOT), "DVC_NO_ANALYTICS": "1", "WANDB_ERROR_REPORTING": "false"} | variables
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "Ada", f"GIT_{who}_EMAIL": "ada@example.org"}
        return subprocess.run(words, cwd=self.top, env=env, capture_output=True, text=True, check=False)

    def git(self, *words: str) -> str:
        done = self.command("git", *words)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def compare(self, *words: str, **variables: str) -> subprocess.CompletedProcess:
        return self.command(sys.executable, "-m", "pipeline", "compare", *words, **variables)

    def as_json(self, *names: str, **variables: str) -> dict:
        done = self.compare("--json", *names, **variables)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def write(self, name: str, content: object) -> None:
        path = self.top / name
        path.parent.mkdir(parents=True, exist_ok=True)
        as_yaml = name.endswith(("yaml", "lock"))
        path.write_text(
            content if isinstance(content, str) else yaml.safe_dump(content) if as_yaml else json.dumps(content)
        )

    def commit(self, message: str, **results: object) -> str:
        """Results as a commit; the hash."""
        self.write("params.yaml", results.get("params", PARAMS))
        self.write("results/evaluate/metrics.json", results.get("evaluated", EVALUATED))
        self.write("results/train/plots/validation.csv", results.get("validation", VALIDATION))
        self.git("add", "-f", ".")
        self.git("commit", "-qm", message)
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def empty(tmp_path):
    return Project(tmp_path)


@pytest.fixture
def project(tmp_path):
    """Two commits: more images raise top1 beyond its interval, and there is a metric more."""
    made = Project(tmp_path)
    made.commit("first")
    made.git("tag", "baseline")
    more = {"identity/top1": {"value": 0.9, "low": 0.86, "high": 0.94, "n": 768}, "truth/psnr": 19.5}
    params = PARAMS | {"train": {"images": 84000, "batch_size": 32, "flip": False}}
    validation = "images,val/own_subject,val/psnr\n6000,0.5,18\n24000,0.75,\n"
    made.commit("<b>more</b> images", params=params, evaluated=EVALUATED | more, validation=validation)
    return made


def grid(path: Path, level: int) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", (32, 24), (level, 0, 0)).save(path)
    return path
