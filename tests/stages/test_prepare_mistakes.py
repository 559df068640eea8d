"""What stops `prepare`: one sentence that says what to do, and what an earlier run made is left alone."""

import json
import re
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.datasets.building.projects import content, prepare, project, start

pytestmark = pytest.mark.slow


def sentence(code: int, said: str) -> str:
    """The last line of a stage that stopped as it should: with a word to a person."""
    assert code == 1, said
    assert "Traceback" not in said, said
    last = said.splitlines()[-1]
    assert len(last.split()) > 5, said
    assert not re.match(r"[\w.]*(Error|Exception|Interrupt)\b", last), said
    return last


def test_a_folder_of_photographs_that_is_not_there(tmp_path: Path) -> None:
    folder = project(tmp_path, source="photos", photos="data/fotos")
    assert "data/fotos is no folder; data.photos should name one" in sentence(*prepare(folder))


def test_a_folder_of_photographs_without_people(tmp_path: Path) -> None:
    folder = project(tmp_path, source="photos")
    (folder / "data/photos/1.jpg").touch()
    assert "data/photos holds no folders; put each person's photographs into" in sentence(*prepare(folder))


def test_a_manifest_that_is_not_there(tmp_path: Path) -> None:
    folder = project(tmp_path, source="manifest", manifest="data/manifests/all.csv")
    assert "data/manifests/all.csv is not there; data.manifest should name" in sentence(*prepare(folder))


def test_a_folder_of_manifests_without_any(tmp_path: Path) -> None:
    folder = project(tmp_path, source="manifest")
    assert "`python -m pipeline manifest` makes one" in sentence(*prepare(folder))


def test_missing_weights_of_the_detector(tmp_path: Path) -> None:
    folder = project(tmp_path / "project", source="photos")
    (folder / "data/photos/ada").mkdir()
    (tmp_path / "empty").mkdir()
    empty = str(tmp_path / "empty")
    said = sentence(*prepare(folder, FACET_ASSETS=empty, HOME=empty, XDG_CACHE_HOME=empty))
    assert "python -m pipeline fetch yunet" in said
    assert "FACET_ASSETS" in said


@pytest.mark.shared
def test_two_people_whose_names_differ_in_case_alone(tmp_path: Path, shared: Path) -> None:
    folder = project(tmp_path, source="photos")
    for name in ("Ada", "ada"):
        shutil.copytree(shared / "faces/london/001", folder / "data/photos" / name)
    said = sentence(*prepare(folder, FACET_ASSETS=str(shared / "models")))
    assert "photos/Ada" in said
    assert "photos/ada" in said
    assert not (folder / "data/faces").exists()


@pytest.mark.shared
def test_a_manifest_of_files_that_are_not_there(tmp_path: Path, shared: Path) -> None:
    folder = project(tmp_path, source="manifest")
    rows = [f"{person}/{number}.jpg,{person}" for person in ("ada", "bob", "emma") for number in range(4)]
    (folder / "data/manifests/all.csv").write_text("\n".join(["path,identity", *rows]))
    said = sentence(*prepare(folder, FACET_ASSETS=str(shared / "models")))
    assert "none of 12 photographs gave a face to use (unreadable: 12)" in said


@pytest.mark.shared
def test_people_with_one_photograph_each(tmp_path: Path, shared: Path) -> None:
    folder = project(tmp_path, source="photos")
    for name in ("001", "002", "003"):
        (folder / "data/photos" / name).mkdir()
        shutil.copy(shared / f"faces/london/{name}/neutral.jpg", folder / "data/photos" / name)
    said = sentence(*prepare(folder, FACET_ASSETS=str(shared / "models")))
    assert "few_images: 3" in said
    assert "identities.min_images" in said


@pytest.mark.shared
def test_too_few_people_for_the_evaluation(tmp_path: Path, shared: Path) -> None:
    folder = project(tmp_path, source="photos")
    for name in ("001", "002", "003"):
        shutil.copytree(shared / "faces/london" / name, folder / "data/photos" / name)
    said = sentence(*prepare(folder, FACET_ASSETS=str(shared / "models")))
    assert "split" in said
    assert "add people" in said or "more people are needed" in said


def test_a_scheduler_that_does_not_answer(tmp_path: Path) -> None:
    begun = time.monotonic()
    said = sentence(*prepare(project(tmp_path), FACET_SCHEDULER="tcp://127.0.0.1:1"))
    assert "no Dask scheduler answers at tcp://127.0.0.1:1" in said
    assert time.monotonic() - begun < 60


def test_a_scheduler_that_is_no_address(tmp_path: Path) -> None:
    said = sentence(*prepare(project(tmp_path), FACET_SCHEDULER="here"))
    assert said.startswith("FACET_SCHEDULER: ")


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose stage ran well."""
    folder = project(tmp_path_factory.mktemp("finished"))
    code, said = prepare(folder, FACET_SCHEDULER="", FACET_WORK="")
    assert code == 0, said
    return folder


@contextmanager
def disk(place: Path, size: str) -> Iterator[Path]:
    """A disk of its own, of that size; what follows a comma are options."""
    place.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
    if not shutil.which("mount") or subprocess.run(command, capture_output=True, check=False).returncode != 0:
        pytest.skip("a disk can be mounted by root alone, and not in every container")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", str(place)], check=True)


@pytest.mark.parametrize("size", ["4k", "16k", "64k", "256k"])
def test_a_full_disk(finished: Path, tmp_path: Path, size: str) -> None:
    """However far it got: the folder, the workers' own files, the first shard, some shards."""
    before = content(finished)
    project(finished, image_size=64, shard_images=16)
    with disk(tmp_path / "disk", size) as place:
        said = sentence(*prepare(finished, FACET_WORK=str(place / "work")))
        assert "no disk space left" in said
        assert str(place) in said
    assert content(finished) == before


def test_a_file_that_may_not_grow_further(finished: Path) -> None:
    before = content(finished)
    project(finished, image_size=64, shard_images=16)
    process = start(finished)
    resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (32 * 1024, 32 * 1024))  # its workers inherit it
    said = process.communicate(timeout=300)[1]
    assert "no disk space left (or a limit reached)" in sentence(process.returncode, said)
    assert content(finished) == before


def test_a_full_disk_of_results_with_the_work_elsewhere(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "900k") as place:
        work = {"FACET_WORK": str(tmp_path / "work")}
        folder = project(place / "project")
        code, said = prepare(folder, **work)
        assert code == 0, said
        before = content(folder)
        said = sentence(*prepare(project(folder, image_size=64), **work))
        after = content(folder)
        assert {n: h for n, h in after.items() if n.startswith("data/faces/")} == {
            n: h for n, h in before.items() if n.startswith("data/faces/")
        }
        assert [entry.name for entry in (folder / "data").iterdir() if entry.name.startswith(".")] == []
        json.loads((folder / "results/prepare/metrics.json").read_text())
        assert "no disk space left" in said
        assert str(place) in said


def test_a_disk_of_results_that_is_full_before_the_last_shard_is_copied_to_it(tmp_path: Path) -> None:
    with disk(tmp_path / "disk", "600k") as place:
        folder = project(place / "project")
        said = sentence(*prepare(folder, FACET_WORK=str(tmp_path / "work")))
        assert "no disk space left" in said
        assert str(place) in said
        assert [entry.name for entry in (folder / "data").iterdir() if "faces" in entry.name] == []  # nor a part


def test_a_place_for_work_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    said = sentence(*prepare(project(tmp_path / "project"), FACET_WORK=str(tmp_path / "file/work")))
    assert str(tmp_path / "file") in said


def test_a_place_for_work_that_is_read_only(tmp_path: Path) -> None:
    folder = project(tmp_path / "project")
    with disk(tmp_path / "disk", "16k,ro") as place:
        assert str(place) in sentence(*prepare(folder, FACET_WORK=str(place / "work")))


def test_a_sources_folder_that_is_a_file(tmp_path: Path) -> None:
    folder = project(tmp_path, unlabelled="params.yaml")
    assert "params.yaml is no folder; data.unlabelled should name one" in sentence(*prepare(folder))
