"""The whole pipeline on real photographs, with smoke settings: every stage to its last line."""

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.conftest import ROOT, unavailable

pytestmark = pytest.mark.timeout(2400)  # all stages, on a processor without bf16 too


@pytest.fixture(scope="module")
def london():
    """A finished smoke run on the London set: its clone."""
    folder = os.path.realpath(os.environ.get("FACET_SHARED") or ROOT.parent / "shared")
    photographs = os.path.join(folder, "faces", "london")
    if not os.path.isdir(photographs):
        unavailable("shared", f"{photographs} is not here; FACET_SHARED can name another place")
    # Not pytest's folder for temporary files: that path is too long for the sockets of some libraries.
    place = Path(tempfile.mkdtemp(prefix="facet-london-"))
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "TMPDIR": str(place),
        "FACET_ASSETS": os.path.join(folder, "models"),
        "FACET_KEEP": "1",
    }
    settings = ["data.source=photos", f"data.photos={photographs}", "data.image_size=64"]
    command = [sys.executable, "tools/smoke.py", *settings]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, (done.stdout + done.stderr)[-5000:]
    (clone,) = place.glob("facet-smoke-*/facet")
    yield clone
    shutil.rmtree(place, ignore_errors=True)


def metrics(clone, stage):
    return json.loads((clone / "results" / stage / "metrics.json").read_text())


@pytest.mark.slow
@pytest.mark.shared
def test_every_photograph_is_used_or_listed(london):
    values = metrics(london, "prepare")
    assert values["prepare/images"] == 204
    assert values["prepare/rejects"] == 0  # info.csv, which lies beside the people's folders, says something of them
    assert values["prepare/people/train"] > 50


@pytest.mark.slow
@pytest.mark.shared
def test_the_published_judges_are_recorded_and_know_the_people(london):
    record = json.loads((london / "models" / "judge" / "published.json").read_text())
    assert set(record) == {"yunet", "reidentification", "head_pose"}
    assert all(len(file["sha256"]) == 64 for files in record.values() for file in files)
    assert metrics(london, "evaluate")["identity/top1_real"]["value"] >= 0.9


@pytest.mark.slow
@pytest.mark.shared
def test_what_is_known_is_measured_and_what_is_not_is_named(london):
    values = metrics(london, "evaluate")
    measured = {"identity/top1", "identity/top1_sample", "identity/cosine_unrelated", "realism/fd_judge"}
    measured |= {f"attributes/{angle}_error{kind}" for angle in ("yaw", "pitch") for kind in ("", "_unrelated")}
    assert measured <= set(values)
    assert {"truth/psnr", "truth/ssim", "realism/fid", "attributes/smile_error"} <= set(values["not_measured"])
    assert not set(values) & set(values["not_measured"])


@pytest.mark.slow
@pytest.mark.shared
def test_the_controls_that_need_no_truth_land_where_they_must(london):
    controls = json.loads((london / "results/evaluate/controls.json").read_text())
    assert set(controls) == {"copy_sample", "copy_subject", "another_photograph"}
    assert controls["copy_sample"]["identity/top1"]["value"] == 0
    assert controls["copy_sample"]["identity/top1_sample"]["value"] >= 0.9
    assert controls["copy_sample"]["attributes/yaw_error"]["value"] == 0
    assert controls["copy_subject"]["identity/top1"]["value"] >= 0.9


@pytest.mark.slow
@pytest.mark.shared
def test_the_report_is_made(london):
    page = (london / "results" / "report" / "index.html").read_text()
    assert "data:image/png" in page
    assert "photos" in page
