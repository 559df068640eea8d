"""Work folders: named by what determines the result, kept after a failure, gone after success."""

import errno
import subprocess
import sys
import threading

import pytest
from pydantic import BaseModel

from pipeline import work
from pipeline.errors import UserError
from pipeline.params import load_params
from pipeline.work import NoSpaceError
from tests.conftest import ROOT


def evaluate(gallery: int) -> BaseModel:
    """A section of params with a number of one's choice."""
    return load_params(ROOT / "params.yaml").evaluate.model_copy(update={"gallery": gallery})


ONE, OTHER = evaluate(5), evaluate(4)


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


def begun(section, name="state"):
    """A stage that was interrupted."""
    with pytest.raises(KeyboardInterrupt), work.building("train", section) as folder:  # noqa: PT012
        (folder / name).touch()
        raise KeyboardInterrupt
    return folder


def test_it_is_said_why_nothing_is_taken_up(caplog):
    caplog.set_level("INFO")
    begun(ONE)
    begun(ONE)
    assert caplog.messages == []
    begun(OTHER)
    assert caplog.messages == [
        "train starts afresh rather than go on where it was stopped: evaluate.gallery was 5 and is 4"
    ]


def test_the_newest_unfinished_works_are_kept():
    folders = [begun(evaluate(count)) for count in range(1, work.KEPT + 3)]
    assert [folder.exists() for folder in folders] == [False] + [True] * (work.KEPT + 1)
    assert begun(evaluate(2)) == folders[1]


BUILDS = """
import sys, time
from pipeline import work
from tests.test_work import evaluate
with work.building("train", evaluate(int(sys.argv[1]))) as folder:
    (folder / "state").touch()
    print(folder, flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def builder():
    """Another process that builds ONE until it is told to end."""
    command = [sys.executable, "-c", BUILDS, "5"]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, env={"PYTHONPATH": str(ROOT)}, text=True, **pipes) as process:
        process.stdout.readline()
        yield process
        process.kill()


def test_two_processes_never_build_the_same(builder, monkeypatch):
    monkeypatch.setattr(work, "WAIT_SECONDS", 0.5)
    with pytest.raises(UserError, match=r"another process builds the same in .*: wait"), work.building("train", ONE):
        pass
    with work.building("train", OTHER):
        pass


def test_a_process_that_is_killed_is_in_nobody_s_way(builder):
    builder.kill()
    with work.building("train", ONE) as folder:
        assert (folder / "state").exists()


def test_one_that_ends_while_another_waits_leaves_it_a_fresh_folder(builder):
    threading.Timer(1, builder.stdin.close).start()
    with work.building("train", ONE) as folder:
        assert not (folder / "state").exists()
        assert (folder / work.ORIGIN).exists()


def test_a_work_that_is_going_on_is_not_tidied_away(builder):
    for count in range(10, 10 + work.KEPT + 2):
        begun(evaluate(count))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(work, "WAIT_SECONDS", 0.1)
        with pytest.raises(UserError), work.building("train", ONE):
            pass
    builder.kill(), builder.wait()
    with work.building("train", ONE) as folder:
        assert (folder / "state").exists()


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
