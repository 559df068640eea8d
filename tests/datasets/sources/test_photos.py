"""The listing of a folder of people: everything in it is a candidate or a reject, in one order."""

import os
from pathlib import Path

import pytest

from pipeline.datasets.faces import Photograph, Reject
from pipeline.datasets.sources.photos import listing
from pipeline.datasets.splits import split_of
from pipeline.errors import UserError
from pipeline.params import Data, load_params
from tests.conftest import ROOT

PARAMS = load_params(ROOT / "params.yaml").data


def data(folder: Path) -> Data:
    return PARAMS.model_copy(update={"photos": str(folder), "source": ("photos",)})


def listed(folder: Path) -> tuple[list[Photograph], dict[str, str]]:
    items = list(listing(data(folder)))
    return [i for i in items if isinstance(i, Photograph)], {i.source: i.reason for i in items if isinstance(i, Reject)}


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people with two photographs each; nobody looks into them here."""
    for name in ("bob/2.png", "ada/2.png", "bob/1.png", "ada/1.png"):
        (tmp_path / "people" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "people" / name).write_bytes(b"x")
    return tmp_path / "people"


def test_every_file_of_every_person_is_a_candidate_in_order(people: Path) -> None:
    photographs, rejects = listed(people)
    assert [p.name for p in photographs] == [
        f"photos/{n}" for n in ("ada/1.png", "ada/2.png", "bob/1.png", "bob/2.png")
    ]
    assert [p.identity for p in photographs] == ["photos/ada", "photos/ada", "photos/bob", "photos/bob"]
    shares = PARAMS.shares.model_dump()
    assert [p.split for p in photographs] == [split_of(name, shares) for name in ("ada", "ada", "bob", "bob")]
    assert all(Path(p.file).read_bytes() == b"x" for p in photographs)
    assert not rejects


def test_what_is_known_of_the_people_goes_with_their_photographs(people: Path) -> None:
    (people / "info.csv").write_text("\ufefffolder,age,gender,city\nada,36,female,\neve,20,female,Paris\n\nbob,,male\n")
    photographs, rejects = listed(people)
    assert [p.attributes for p in photographs] == [{"age": 36, "gender=female": 1}] * 2 + [{"gender=male": 1}] * 2
    assert not rejects


@pytest.mark.parametrize("nothing", ["NA", "n/a", "NaN", "unknown", " ? "])
def test_words_for_nothing_are_not_known(people: Path, nothing: str) -> None:
    (people / "info.csv").write_text(f"folder,age,gender,city\nada,{nothing},{nothing},Nancy\n")
    photographs, _ = listed(people)
    assert [p.attributes for p in photographs] == [{"city=Nancy": 1}] * 2 + [None] * 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"folder,age\nada,36\nada,37\n", "has the person 'ada' twice"),
        (b"\xff\xd8\xff\xe0", "cannot be read as CSV in UTF-8"),
        (b'folder,age\n"' + b"x" * 200_000, "cannot be read as CSV in UTF-8"),
    ],
)
def test_a_list_of_people_that_is_none_is_named(people: Path, content: bytes, words: str) -> None:
    (people / "info.csv").write_bytes(content)
    with pytest.raises(UserError, match=rf"info\.csv {words}"):
        listed(people)


def test_an_empty_list_of_people_says_nothing(people: Path) -> None:
    (people / "info.csv").touch()
    assert [p.attributes for p in listed(people)[0]] == [None] * 4


def test_hidden_files_are_passed_over_in_silence(people: Path) -> None:
    for name in (".gitkeep", ".DS_Store", "ada/.gitkeep", "ada/._1.png", ".cache/1.png"):
        (people / name).parent.mkdir(exist_ok=True)
        (people / name).write_bytes(b"")
    photographs, rejects = listed(people)
    assert len(photographs) == 4
    assert not rejects


def test_what_cannot_be_a_photograph_of_a_person_is_listed_with_its_reason(people: Path, tmp_path: Path) -> None:
    (people / "loose.png").touch()
    (people / "ada/holiday").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/1.png").touch()
    (people / "bob/link.png").symlink_to(tmp_path / "elsewhere/1.png")
    (people / "carol").symlink_to(tmp_path / "elsewhere")
    photographs, rejects = listed(people)
    assert len(photographs) == 4
    assert rejects == {
        "photos/ada/holiday": "folder_in_a_person_folder",
        "photos/loose.png": "not_in_a_person_folder",
        "photos/bob/link.png": "outside",
        "photos/carol": "outside",
    }


def test_links_inside_the_folder_are_followed(people: Path, tmp_path: Path) -> None:
    (people / "ada/3.png").symlink_to(people / "ada/1.png")
    (tmp_path / "link").symlink_to(people)
    for folder in (people, tmp_path / "link"):
        assert len(listed(folder)[0]) == 5


def test_a_loop_of_links_is_left_to_the_reader(people: Path) -> None:
    (people / "ada/loop.png").symlink_to(people / "ada/loop.png")
    (people / "round").symlink_to(people / "round")
    photographs, rejects = listed(people)
    assert "photos/ada/loop.png" in {p.name for p in photographs}
    assert rejects == {"photos/round": "not_in_a_person_folder"}


@pytest.mark.skipif(os.name == "nt" or os.uname().sysname == "Darwin", reason="names are Unicode there")
def test_names_of_any_bytes_are_made_unicode_and_still_open(people: Path) -> None:
    folder = os.fsencode(people) + b"/jos\xe9"
    os.mkdir(folder)
    for name in (b"/\xff1.png", b"/a\nb.png", b"/'q' \"r\".png"):
        with open(folder + name, "wb") as file:
            file.write(b"x")
    photographs = [p for p in listed(people)[0] if p.identity == "photos/jos\\xe9"]
    assert len(photographs) == 3
    assert all(p.name.encode("utf-8") and Path(p.file).read_bytes() == b"x" for p in photographs)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="nothing is unreadable for root")
def test_a_folder_that_cannot_be_opened_is_listed(people: Path) -> None:
    (people / "ada").chmod(0)
    try:
        assert listed(people)[1] == {"photos/ada": "unreadable"}
    finally:
        (people / "ada").chmod(0o755)


def test_a_missing_folder_is_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"people is no folder.*data.photos"):
        listing(data(tmp_path / "people"))


def test_a_folder_without_person_folders_is_named_at_once(tmp_path: Path) -> None:
    for name in (".gitkeep", "1.png"):
        (tmp_path / name).touch()
    (tmp_path / ".hidden").mkdir()
    with pytest.raises(UserError, match="holds no folders"):
        listing(data(tmp_path))


def test_nothing_is_read_before_it_is_asked_for(people: Path) -> None:
    candidates = listing(data(people))
    assert next(candidates) == Photograph("photos/ada/1.png", "photos/ada", "test", str(people / "ada/1.png"))
