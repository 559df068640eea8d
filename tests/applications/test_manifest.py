import hashlib
import logging
import os
from pathlib import Path
from typing import Any

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.applications.manifest import make
from pipeline.datasets.faces import Photograph
from pipeline.datasets.sources.manifest import BOX, LANDMARKS, listing
from pipeline.errors import UserError
from pipeline.params import load_params

IMAGES = ("000001.jpg", "000002.jpg", "000003.jpg")
POINTS = "lefteye_x lefteye_y righteye_x righteye_y nose_x nose_y leftmouth_x leftmouth_y rightmouth_x rightmouth_y"
WILD = "165  184  244  176  196  249  194  271  266  260"
ALIGNED = " 69  109  106  113   77  142   73  152  108  154"


@pytest.fixture
def people(tmp_path: Path) -> Path:
    """Two people with two photographs each, which nobody has to decode."""
    root = tmp_path / "people"
    for name in ("bob/2.jpg", "ada/2.jpg", "ada/1.jpg", "bob/1.jpg"):
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(f"photograph {name}".encode())
    return root


def rows(out: Path) -> list[dict[str, Any]]:
    table = pq.read_table(out) if out.suffix == ".parquet" else pyarrow.csv.read_csv(out)
    return table.to_pylist()


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_each_photograph_is_listed_with_its_person_size_and_hash(people: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"list{suffix}"
    make([people], out, celeba=False)
    assert [row["path"] for row in rows(out)] == [
        f"people/{name}" for name in ("ada/1.jpg", "ada/2.jpg", "bob/1.jpg", "bob/2.jpg")
    ]
    assert rows(out)[0] == {
        "path": "people/ada/1.jpg",
        "identity": "ada",
        "size": len(b"photograph ada/1.jpg"),
        "sha256": hashlib.sha256(b"photograph ada/1.jpg").hexdigest(),
    }


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_source_reads_what_the_command_wrote(people: Path, tmp_path: Path, suffix: str) -> None:
    (people / "ada" / 'a "quoted", name\nof two lines.jpg').write_bytes(b"x")
    out = tmp_path / "lists" / f"list{suffix}"
    make([people], out, celeba=False)
    data = load_params().data.model_copy(update={"manifest": str(out)})
    found = [item for item in listing(data) if isinstance(item, Photograph)]
    assert len(found) == 5
    for photograph in found:
        assert hashlib.sha256(Path(photograph.file).read_bytes()).hexdigest() == photograph.sha256


def test_the_same_folder_gives_the_same_bytes(people: Path, tmp_path: Path) -> None:
    for suffix in (".csv", ".parquet"):
        first, second = tmp_path / f"1{suffix}", tmp_path / f"2{suffix}"
        make([people], first, celeba=False)
        make([people], second, celeba=False)
        assert first.read_bytes() == second.read_bytes()


def test_many_photographs_keep_their_order(tmp_path: Path) -> None:
    for i in range(700):
        file = tmp_path / "people" / f"{i // 10:03d}" / f"{i:03d}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(bytes(i * 37 % 5000))
    make([tmp_path / "people"], tmp_path / "list.parquet", celeba=False)
    found = rows(tmp_path / "list.parquet")
    assert [row["path"][-7:-4] for row in found] == [f"{i:03d}" for i in range(700)]
    assert [row["size"] for row in found] == [i * 37 % 5000 for i in range(700)]


def test_progress_is_said_in_lines_where_there_is_no_terminal(
    people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO)
    make([people], tmp_path / "list.csv", celeba=False)
    assert len(caplog.records) == 1  # within ten seconds only the last
    monkeypatch.setattr("pipeline.terminal.LINE_SECONDS", 0)
    make([people], tmp_path / "list.csv", celeba=False)
    assert [record.getMessage().split(",")[0] for record in caplog.records[1:-1]] == [
        f"{number} photographs" for number in (1, 2, 3, 4)
    ]


def test_people_of_several_folders_stay_apart_in_an_order_of_their_own(people: Path, tmp_path: Path) -> None:
    other = tmp_path / "others"
    (other / "ada").mkdir(parents=True)
    (other / "ada" / "1.jpg").write_bytes(b"another ada")
    make([people, other], tmp_path / "1.csv", celeba=False)
    make([other, people], tmp_path / "2.csv", celeba=False)
    assert [row["identity"] for row in rows(tmp_path / "1.csv")] == [
        "others/ada",
        *["people/ada"] * 2,
        *["people/bob"] * 2,
    ]
    assert (tmp_path / "1.csv").read_bytes() == (tmp_path / "2.csv").read_bytes()


def test_two_folders_of_one_name_are_refused(people: Path, tmp_path: Path) -> None:
    (tmp_path / "far" / "people").mkdir(parents=True)
    with pytest.raises(UserError, match="two folders are called people"):
        make([people, tmp_path / "far" / "people"], tmp_path / "list.csv", celeba=False)


def test_what_cannot_be_listed_is_named_and_counted(
    people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "x.jpg").write_bytes(b"x")
    (people / "eve").symlink_to(tmp_path / "outside")
    (people / "ada" / "3.jpg").symlink_to(tmp_path / "outside" / "x.jpg")
    (people / "ada" / "4.jpg").symlink_to(people / "ada" / "1.jpg")
    (people / "ada" / "5.jpg").symlink_to(people / "nobody")
    (people / "ada" / "more").mkdir()
    (people / "loose.jpg").write_bytes(b"x")
    (people / ".hidden").mkdir()
    (people / "ada" / ".DS_Store").write_bytes(b"x")
    os.mkfifo(people / "bob" / "pipe")
    Path(os.fsdecode(os.fsencode(people) + b"/bob/\xff.jpg")).write_bytes(b"x")
    make([people], tmp_path / "list.csv", celeba=False)
    assert [row["path"][7:] for row in rows(tmp_path / "list.csv")] == [
        "ada/1.jpg", "ada/2.jpg", "ada/4.jpg", "bob/1.jpg", "bob/2.jpg",
    ]  # fmt: skip
    assert warnings(caplog) == [
        f"passed over: {people}/ada/3.jpg (a link out of the folder)",
        f"passed over: {people}/ada/5.jpg (no such file)",
        f"passed over: {people}/ada/more (a folder in a person's folder)",
        f"passed over: {people}/bob/pipe (no such file)",
        f"passed over: {people}/bob/\\xff.jpg (its name is no valid UTF-8)",
        f"passed over: {people}/eve (a link out of the folder)",
        f"passed over: {people}/loose.jpg (not in a person's folder)",
    ]
    assert caplog.records[-1].getMessage() == (
        f"{tmp_path}/list.csv: 2 people, 5 photographs; passed over: a folder in a person's folder: 1, "
        "a link out of the folder: 2, its name is no valid UTF-8: 1, no such file: 2, not in a person's folder: 1"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_what_cannot_be_read_is_named(people: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (people / "ada" / "1.jpg").chmod(0)
    (people / "bob").chmod(0)
    make([people], tmp_path / "list.csv", celeba=False)
    (people / "bob").chmod(0o700)
    assert sorted(warnings(caplog)) == [
        f"passed over: {people}/ada/1.jpg (unreadable (Permission denied))",
        f"passed over: {people}/bob (unreadable (Permission denied))",
    ]


def test_the_list_of_the_last_time_is_no_photograph(people: Path, caplog: pytest.LogCaptureFixture) -> None:
    for out in (people / "list.csv", people / "ada" / "list.csv"):
        for _ in range(2):
            make([people], out, celeba=False)
            assert len(rows(out)) == 4
        assert Path(out.parent, rows(out)[0]["path"]).read_bytes() == b"photograph ada/1.jpg"
        out.unlink()
    assert warnings(caplog) == []


def test_paths_are_relative_to_the_list(people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "linked").symlink_to(people)
    monkeypatch.chdir(people)
    for folder, out, first in (
        (Path("."), Path("../list.csv"), "people/ada/1.jpg"),
        (Path("."), Path("list.csv"), "ada/1.jpg"),
        (people, tmp_path / "elsewhere" / "list.csv", "../people/ada/1.jpg"),
        (tmp_path / "linked", tmp_path / "list.csv", "linked/ada/1.jpg"),
    ):
        make([folder], out, celeba=False)
        assert rows(out)[0]["path"] == first


@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="needs a second file system")
def test_paths_on_another_file_system_are_absolute(people: Path, tmp_path: Path) -> None:
    out = Path("/dev/shm") / f"facet_test_{os.getpid()}.csv"
    if Path("/dev/shm").stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("/dev/shm is on the file system of the other temporary files")
    try:
        make([people], out, celeba=False)
        assert rows(out)[0]["path"] == f"{people}/ada/1.jpg"
    finally:
        out.unlink(missing_ok=True)


def test_a_folder_that_holds_nobody_leaves_the_last_list_alone(people: Path, tmp_path: Path) -> None:
    out, empty = tmp_path / "list.csv", tmp_path / "empty"
    make([people], out, celeba=False)
    content = out.read_bytes()
    empty.mkdir()
    with pytest.raises(UserError, match="empty holds no photograph"):
        make([empty], out, celeba=False)
    assert out.read_bytes() == content
    assert {entry.name for entry in tmp_path.iterdir()} == {"people", "empty", "list.csv"}


def test_places_that_cannot_be_used_are_refused(people: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"let --out end in \.csv or \.parquet"):
        make([people], tmp_path / "list.txt", celeba=False)
    with pytest.raises(UserError, match="nowhere is no folder"):
        make([tmp_path / "nowhere"], tmp_path / "list.csv", celeba=False)
    with pytest.raises(UserError, match=r"1\.jpg/list\.csv: cannot be written"):
        make([people], people / "ada" / "1.jpg" / "list.csv", celeba=False)


@pytest.fixture
def celeba(tmp_path: Path) -> Path:
    """CelebA's lists in its own formats, with the images in the wild."""
    root = tmp_path / "CelebA"
    wild = (WILD, "140  204  220  204  168  254  146  289  226  289", WILD)
    aligned = (ALIGNED, " 69  110  107  112   81  135   70  151  108  153", ALIGNED)
    boxes = ("   95    71   226   313", "   72    94   221   306", "    0     0     0     0")
    attributes = ("-1  1  1 ", " 1 -1 -1 ", "-1 -1  1 ")
    lists = {
        "identity_CelebA.txt": ("", ("2880", "2937", "2880")),
        "list_attr_celeba.txt": ("3\n5_o_Clock_Shadow Arched_Eyebrows Young \n", attributes),
        "list_bbox_celeba.txt": ("3\nimage_id x_1 y_1 width height\n", boxes),
        "list_landmarks_celeba.txt": (f"3\n{POINTS}\n", wild),
        "list_landmarks_align_celeba.txt": (f"3\n{POINTS} \n", aligned),
        "list_eval_partition.txt": ("", ("0", "1", "2")),
    }
    (root / "img_celeba").mkdir(parents=True)
    for name, (header, values) in lists.items():
        lines = "".join(f"{image} {value}\n" for image, value in zip(IMAGES, values, strict=True))
        (root / name).write_text(header + lines)
    for image in IMAGES:
        (root / "img_celeba" / image).write_bytes(image.encode())
    return root


def test_celeba_in_the_wild_has_its_own_landmarks_and_boxes(celeba: Path, tmp_path: Path) -> None:
    make([celeba], tmp_path / "list.parquet", celeba=True)
    first, second, third = rows(tmp_path / "list.parquet")
    assert first == {
        "path": "CelebA/img_celeba/000001.jpg",
        "identity": "2880",
        "size": 10,
        "sha256": hashlib.sha256(b"000001.jpg").hexdigest(),
        **dict(zip(BOX, (95, 71, 226, 313), strict=True)),
        **dict(zip(LANDMARKS, map(int, WILD.split()), strict=True)),
        "5_o_clock_shadow": 0,
        "arched_eyebrows": 1,
        "young": 1,
    }
    assert (second["identity"], second["left_eye_x"], second["young"]) == ("2937", 140, 0)
    assert [third[name] for name in BOX] == [None] * 4  # a box without area is none


def test_aligned_celeba_has_landmarks_of_its_own_and_no_boxes(celeba: Path, tmp_path: Path) -> None:
    (celeba / "img_celeba").rename(celeba / "img_align_celeba")
    make([celeba], tmp_path / "list.parquet", celeba=True)
    row = rows(tmp_path / "list.parquet")[0]
    assert row["path"] == "CelebA/img_align_celeba/000001.jpg"
    assert [row[name] for name in LANDMARKS] == [int(value) for value in ALIGNED.split()]
    assert not set(BOX) & set(row)


def test_celeba_in_the_folders_of_its_distribution_gives_the_same(celeba: Path, tmp_path: Path) -> None:
    make([celeba], tmp_path / "list.csv", celeba=True)
    before = rows(tmp_path / "list.csv")
    for folder, pattern in (
        ("Anno", "*_*elebA.txt"),
        ("Anno", "list_[abl]*.txt"),
        ("Eval", "list_eval*"),
        ("Img", "img_*"),
    ):
        (celeba / folder).mkdir(exist_ok=True)
        for entry in list(celeba.glob(pattern)):
            entry.rename(celeba / folder / entry.name)
    assert {entry.name for entry in celeba.iterdir()} == {"Anno", "Eval", "Img"}
    make([celeba], tmp_path / "list.csv", celeba=True)
    assert [{**row, "path": row["path"].replace("Img/", "")} for row in rows(tmp_path / "list.csv")] == before


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_source_reads_celeba(celeba: Path, tmp_path: Path, suffix: str) -> None:
    out = tmp_path / f"list{suffix}"
    make([celeba], out, celeba=True)
    found = list(listing(load_params().data.model_copy(update={"manifest": str(out)})))
    assert [(item.identity, item.box) for item in found] == [
        ("manifest/2880", (95, 71, 226, 313)),
        ("manifest/2937", (72, 94, 221, 306)),
        ("manifest/2880", None),
    ]
    assert found[0].attributes == {"5_o_clock_shadow": 0, "arched_eyebrows": 1, "young": 1}


def test_celeba_goes_without_lists_of_places(celeba: Path, tmp_path: Path) -> None:
    for name in ("list_bbox_celeba.txt", "list_landmarks_celeba.txt", "list_eval_partition.txt"):
        (celeba / name).unlink()
    make([celeba], tmp_path / "list.csv", celeba=True)
    assert list(rows(tmp_path / "list.csv")[0]) == [
        "path", "identity", "size", "sha256", "5_o_clock_shadow", "arched_eyebrows", "young",
    ]  # fmt: skip


def test_images_that_celeba_lists_and_that_are_not_there_are_counted(
    celeba: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    (celeba / "img_celeba" / "000001.jpg").unlink()
    make([celeba], tmp_path / "list.csv", celeba=True)
    assert len(rows(tmp_path / "list.csv")) == 2
    assert warnings(caplog) == [f"passed over: {celeba}/img_celeba/000001.jpg (no such file)"]
    assert caplog.records[-1].getMessage().endswith("2 people, 2 photographs; passed over: no such file: 1")


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("identity_CelebA.txt", "000002.jpg 2937", "000002.jpg", r"identity_CelebA\.txt, line 2: .* 1 number of"),
        ("identity_CelebA.txt", "2937", "ada", r"identity_CelebA\.txt, line 2: "),
        ("list_attr_celeba.txt", "3\n", "", r"list_attr_celeba\.txt, line 1: should be the number of images"),
        ("list_attr_celeba.txt", "-1  1  1", "-1  1  2", r"list_attr_celeba\.txt, line 3: "),
        ("list_attr_celeba.txt", "-1  1  1", "-1  1", r"list_attr_celeba\.txt, line 3: .* 3 numbers of"),
        ("list_bbox_celeba.txt", "x_1 y_1", "left top", r"list_bbox_celeba\.txt, line 2: should be 'image_id x_1"),
        ("list_bbox_celeba.txt", "95    71", "95", r"list_bbox_celeba\.txt, line 3: .* 4 numbers of"),
        ("list_landmarks_celeba.txt", "lefteye_x", "right", r"list_landmarks_celeba\.txt, line 2: should be"),
        (
            "list_landmarks_celeba.txt",
            "000002.jpg",
            "000009.jpg",
            r"landmarks_celeba\.txt, line 4, is of 000009\.jpg, but .*identity_CelebA\.txt, line 2, is of 000002\.jpg",
        ),
        ("list_attr_celeba.txt", "000003.jpg -1 -1  1 \n", "", r"list_attr_celeba\.txt has ended, but .*, line 3, is"),
        ("identity_CelebA.txt", "000003.jpg 2880\n", "", r"line 5, is of 000003\.jpg, but .*CelebA\.txt has ended"),
    ],
)  # fmt: skip
def test_lists_that_are_not_as_celeba_made_them_are_named_with_the_line(
    celeba: Path, tmp_path: Path, name: str, old: str, new: str, message: str
) -> None:
    content = (celeba / name).read_text()
    assert old in content
    (celeba / name).write_text(content.replace(old, new, 1))
    with pytest.raises(UserError, match=message):
        make([celeba], tmp_path / "list.csv", celeba=True)
    assert not (tmp_path / "list.csv").exists()


def test_celeba_without_its_parts_is_refused(celeba: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"CelebA is one folder \(got 2\)"):
        make([celeba, celeba], tmp_path / "list.csv", celeba=True)
    (celeba / "list_attr_celeba.txt").unlink()
    with pytest.raises(UserError, match=r"has no list_attr_celeba\.txt"):
        make([celeba], tmp_path / "list.csv", celeba=True)
    with pytest.raises(UserError, match="has neither img_celeba nor img_align_celeba"):
        make([tmp_path], tmp_path / "list.csv", celeba=True)
