"""Work folders: named by what determines the result, kept after a failure, gone after success."""

import errno
import sys

import pytest

from pipeline import work
from pipeline.params import Evaluate
from pipeline.work import NoSpaceError

ONE, OTHER = Evaluate(gallery=5, inception="off"), Evaluate(gallery=4, inception="off")


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_what_an_interrupted_stage_built_is_there_for_the_next_try(tmp_path):
    with pytest.raises(KeyboardInterrupt), work.building("train", ONE) as folder:  # noqa: PT012
        (folder / "state").write_text("half")
        raise KeyboardInterrupt
    with work.building("train", ONE) as folder:
        assert (folder / "state").read_text() == "half"
        work.publish(folder / "state", tmp_path / "models" / "state")
    assert not folder.exists()
    assert (tmp_path / "models" / "state").read_text() == "half"


def test_other_params_find_nothing():
    with work.building("train", ONE) as folder:
        (folder / "state").write_text("half")
        with work.building("train", OTHER) as other:
            assert not (other / "state").exists()


def test_publishing_replaces_what_is_there(tmp_path):
    for content in ("old", "new"):
        built = tmp_path / "built"
        built.mkdir()
        (built / content).touch()
        work.publish(built, tmp_path / "final")
    assert [p.name for p in (tmp_path / "final").iterdir()] == ["new"]


def test_a_full_disk_is_one_sentence_with_the_way_back():
    with pytest.raises(NoSpaceError, match=r"no disk space left.*dvc checkout"), work.building("prepare", ONE):
        raise OSError(errno.ENOSPC, "No space left on device")


def test_other_errors_pass_as_they_are():
    with pytest.raises(PermissionError), work.building("prepare", ONE):
        raise PermissionError(errno.EACCES, "Permission denied")


@pytest.mark.skipif(sys.platform != "linux", reason="file size limits are tested on Linux")
def test_a_stage_that_cannot_write_leaves_no_shard_under_its_final_name(tmp_path):
    """A real limit of the system: no file of the process may grow beyond 100 KB."""
    import shutil
    import subprocess

    from tests.conftest import ROOT

    shutil.copy(ROOT / "params.yaml", tmp_path)
    (tmp_path / "data" / "unlabelled").mkdir(parents=True)
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000));"
        "from pipeline.__main__ import main; sys.argv = ['pipeline', 'prepare']; sys.exit(main())"
    )
    env = {"PYTHONPATH": str(ROOT), "WANDB_MODE": "disabled", "FACET_WORKERS": "1", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1, done.stderr[-2000:]
    assert "Traceback" not in done.stderr
    assert "no disk space left" in done.stderr
    assert not list(tmp_path.rglob("*.tar"))
    assert not (tmp_path / "data" / "faces").exists()
