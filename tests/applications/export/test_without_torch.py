"""The exported model where numpy, OpenCV and onnxruntime are all that is there to be imported."""

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.photographs.alignment import TEMPLATE, align
from tests.conftest import ROOT

pytestmark = pytest.mark.slow

PACKAGES = ("numpy", "cv2", "onnxruntime", "flatbuffers", "google", "packaging")
PROGRAM = """
import importlib, sys
import numpy as np
for absent in ("torch", "pydantic", "safetensors", "onnx", "PIL"):
    try:
        importlib.import_module(absent)
    except ModuleNotFoundError:
        continue
    sys.exit(absent + " is here")
given = np.load(sys.argv[1])
photograph, points = given["photograph"], given["points"]
{card}
several = given["several"]
np.savez(sys.argv[2], face=face, f_I=f_I, z=z, made=made, person=model.person(several), raw=model.raw(f_I, z))
"""


@pytest.fixture
def few_packages(tmp_path):
    """A folder with those packages and the libraries that lie beside them, and nothing else."""
    place = tmp_path / "few"
    place.mkdir()
    for name in PACKAGES:
        spec = importlib.util.find_spec(name)
        folder = Path(next(iter(spec.submodule_search_locations)))
        (place / name).symlink_to(folder)
        for beside in folder.parent.glob("*.libs"):
            if beside.name.startswith((name, "opencv")) and not (place / beside.name).exists():
                (place / beside.name).symlink_to(beside)
    return place


def by_the_card(exported, kind):
    """The five lines of Python in the card, as they stand there."""
    blocks = re.findall(r"```python\n(.*?)```", (exported / "README.md").read_text(), re.DOTALL)
    (block,) = [block for block in blocks if kind in block]
    assert len(block.splitlines()) == 5
    return block.replace('"exported"', repr(str(exported)))


def test_it_says_there_what_it_says_here_and_leaves_nothing_behind(exported, few_packages, tmp_path):
    rng = np.random.default_rng(0)
    photograph = rng.integers(0, 256, (100, 140, 3), dtype=np.uint8)
    points = TEMPLATE * np.float32(70) + rng.normal(20, 1, (5, 2)).astype(np.float32)
    several = rng.integers(0, 256, (3, 32, 32, 3), dtype=np.uint8)
    np.savez(tmp_path / "given.npz", photograph=photograph, points=points, several=several)
    program = PROGRAM.format(card=by_the_card(exported, "OnnxSynthesizer"))
    (tmp_path / "home").mkdir()
    done = subprocess.run(
        [sys.executable, "-S", "-c", program, str(tmp_path / "given.npz"), str(tmp_path / "made.npz")],
        cwd=tmp_path,
        env={"PYTHONPATH": f"{few_packages}{os.pathsep}{ROOT}", "HOME": str(tmp_path / "home")},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not list((tmp_path / "home").iterdir())  # onnxruntime would keep a number of this machine there

    made = np.load(tmp_path / "made.npz")
    here = FaceSynthesizer(exported)
    assert np.array_equal(made["face"][0], align(photograph, points, 32, 0.0)[0])
    np.testing.assert_allclose(made["f_I"], here.identity(made["face"]), atol=1e-5)
    np.testing.assert_allclose(made["z"], here.attributes(made["face"]), atol=1e-5)
    np.testing.assert_allclose(made["person"], here.person(several), atol=1e-5)
    import torch

    codes = (torch.from_numpy(made[name]) for name in ("f_I", "z"))
    assert np.abs(made["raw"] - here.synthesize(*codes).numpy()).max() < 1e-3
    assert np.abs(made["made"].astype(int) - here.synthesize(made["f_I"], made["z"])).max() <= 1

    names = {"photograph": photograph, "points": points}
    exec(by_the_card(exported, "FaceSynthesizer"), names)
    assert np.abs(made["made"].astype(int) - names["made"]).max() <= 1
