import hashlib
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from pipeline.datasets.faces import Photograph, Reject
from pipeline.datasets.sources.manifest import BOX, LANDMARKS, listing
from pipeline.datasets.splits import UNLABELLED, split_of
from pipeline.errors import UserError
from pipeline.params import Data, load_params

POINTS = (165, 184, 244, 176, 196, 249, 194, 271, 266, 260)


def data(manifest: Path) -> Data:
    return load_params().data.model_copy(update={"manifest": str(manifest)})


def csv(folder: Path, text: str | bytes, name: str = "people.csv") -> Path:
    (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder / name


def parquet(folder: Path, columns: dict[str, Any], name: str = "people.parquet", **options: Any) -> Path:
    pq.write_table(pa.table(columns), folder / name, **options)
    return folder / name


def photographs(manifest: Path) -> list[Photograph]:
    items = list(listing(data(manifest)))
    assert [item for item in items if isinstance(item, Reject)] == []
    return items


def rejects(manifest: Path) -> list[tuple[str, str]]:
    return [(item.source, item.reason) for item in listing(data(manifest)) if isinstance(item, Reject)]


def written(folder: Path, columns: dict[str, Any], kind: str) -> Path:
    """One table as CSV or as Parquet."""
    if kind == "parquet":
        return parquet(folder, columns)
    pa.csv.write_csv(pa.table(columns), folder / "people.csv")
    return folder / "people.csv"


both = pytest.mark.parametrize("kind", ["csv", "parquet"])


def test_two_columns_are_enough(tmp_path: Path) -> None:
    shares = load_params().data.shares.model_dump()
    (found,) = photographs(csv(tmp_path, "path,identity\nada/1.jpg,ada\n"))
    file = str(tmp_path / "ada/1.jpg")
    assert found == Photograph("manifest/ada/1.jpg", "manifest/ada", split_of("ada", shares), file)


@both
def test_every_column_reaches_the_photograph(tmp_path: Path, kind: str) -> None:
    digest = hashlib.sha256(b"x").hexdigest()
    columns = {
        "path": ["1.jpg"],
        "identity": ["ada"],
        "split": ["val"],
        "sha256": [digest.upper()],
        "size": [1],
        **{name: [value] for name, value in zip(BOX, (95, 71, 226, 313), strict=True)},
        **{name: [value] for name, value in zip(LANDMARKS, POINTS, strict=True)},
        "smiling": [1],
        "age": [30.5],
    }
    (found,) = photographs(written(tmp_path, columns, kind))
    assert (found.split, found.sha256, found.size) == ("val", digest, None)
    assert found.box == (95, 71, 226, 313)
    assert found.landmarks == POINTS
    assert found.attributes == {"smiling": 1, "age": 30.5}


@both
def test_a_photograph_may_be_a_part_of_a_file(tmp_path: Path, kind: str) -> None:
    columns = {"path": ["a.tar"] * 2 + ["b.jpg"], "identity": ["ada"] * 3}
    columns |= {"offset": [512, 2048, None], "size": [1000, 7, 4]}
    first, second, whole = photographs(written(tmp_path, columns, kind))
    assert [(found.offset, found.size) for found in (first, second, whole)] == [(512, 1000), (2048, 7), (0, None)]
    assert [found.name for found in (first, second, whole)] == [
        "manifest/a.tar@512", "manifest/a.tar@2048", "manifest/b.jpg"
    ]  # fmt: skip
    assert first.attributes is None


@both
def test_a_part_that_cannot_be_one_is_a_reject(tmp_path: Path, kind: str) -> None:
    places = [(-1, 9), (0.5, 9), (1e300, 9), (0, 0), (0, None), (0, 1e300), (0, 9)]
    columns = {"path": [f"{n}.tar" for n in range(7)], "identity": ["ada"] * 7}
    columns |= {"offset": [float(place) for place, _ in places], "size": [size for _, size in places]}
    manifest = written(tmp_path, columns, kind)
    assert rejects(manifest) == [(f"manifest/{n}.tar", "bad_place") for n in range(6)]
    assert [i.size for i in listing(data(manifest)) if isinstance(i, Photograph)] == [9]


@both
def test_whole_numbers_name_people_as_text(tmp_path: Path, kind: str) -> None:
    columns = {"path": ["1.jpg", "2.jpg"], "identity": [2880, 7]}
    assert [p.identity for p in photographs(written(tmp_path, columns, kind))] == ["manifest/2880", "manifest/7"]


def test_whole_numbers_that_pandas_made_floats_name_the_same_people(tmp_path: Path) -> None:
    found = photographs(parquet(tmp_path, {"path": ["1.jpg", "2.jpg"], "identity": [2880.0, None]}))
    assert [p.identity for p in found] == ["manifest/2880", None]


@pytest.mark.parametrize(
    "kind", [pa.large_string(), pa.string_view(), pa.binary(), pa.dictionary(pa.int32(), pa.string())]
)
def test_every_kind_of_text_in_parquet_is_text(tmp_path: Path, kind: pa.DataType) -> None:
    columns = {name: pa.array([value]).cast(kind) for name, value in (("path", "é.jpg"), ("identity", "ada"))}
    (found,) = photographs(parquet(tmp_path, columns))
    assert (found.name, found.identity) == ("manifest/é.jpg", "manifest/ada")


@both
def test_faces_without_an_identity_are_unlabelled_whatever_their_split(tmp_path: Path, kind: str) -> None:
    columns = {"path": ["1.jpg", "2.jpg"], "identity": pa.array(["", None]), "split": ["train", ""]}
    found = photographs(written(tmp_path, columns, kind))
    assert [(p.identity, p.split) for p in found] == [(None, UNLABELLED)] * 2


def test_words_that_mean_nothing_to_pandas_are_names_here(tmp_path: Path) -> None:
    found = photographs(csv(tmp_path, "path,identity\n1.jpg,NA\n2.jpg,null\n3.jpg,nan\n"))
    assert [p.identity for p in found] == ["manifest/NA", "manifest/null", "manifest/nan"]


def test_people_may_have_names_that_look_like_something_else(tmp_path: Path) -> None:
    found = photographs(csv(tmp_path, "path,identity\n1.jpg,2020-01-01\n"))
    assert [p.identity for p in found] == ["manifest/2020-01-01"]
    found = photographs(csv(tmp_path, "path,identity\n1.jpg,007\n"))
    assert [p.identity for p in found] == ["manifest/007"]


def test_an_absolute_path_stays_and_a_relative_one_starts_at_the_manifest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lists").mkdir()
    csv(tmp_path / "lists", "path,identity\n/far/1.jpg,ada\n../2.jpg,ada\n")
    monkeypatch.chdir(tmp_path)
    data_ = load_params(Path(__file__).parents[3] / "params.yaml").data
    found = list(listing(data_.model_copy(update={"manifest": "lists/people.csv"})))
    assert [p.file for p in found] == ["/far/1.jpg", str(tmp_path / "lists/../2.jpg")]
    assert [p.name for p in found] == ["manifest//far/1.jpg", "manifest/../2.jpg"]


def test_paths_start_at_the_link_that_dvc_puts_in_the_manifests_place(tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    (tmp_path / "people.csv").symlink_to(csv(tmp_path / "cache", "path,identity\n1.jpg,ada\n", "ab12.csv"))
    assert photographs(tmp_path / "people.csv")[0].file == str(tmp_path / "1.jpg")


def test_a_folder_of_manifests_is_read_by_name_without_hidden_and_other_files(tmp_path: Path) -> None:
    parquet(tmp_path, {"path": ["b.jpg"], "identity": ["b"]}, "b.parquet")
    csv(tmp_path, "path,identity\na.jpg,a\n", "a.CSV")
    csv(tmp_path, "path,identity\nc.jpg,c\n", "c.csv")
    csv(tmp_path, "path,identity\nx.jpg,x\n", ".x.csv")
    (tmp_path / "README").write_text("hello")
    (tmp_path / "folder.csv").mkdir()
    assert [p.name for p in photographs(tmp_path)] == ["manifest/a.jpg", "manifest/b.jpg", "manifest/c.jpg"]


def test_a_path_named_twice_comes_twice(tmp_path: Path) -> None:
    assert len(photographs(csv(tmp_path, "path,identity\n1.jpg,ada\n1.jpg,ada\n"))) == 2


def test_an_attribute_that_is_not_known_is_left_out(tmp_path: Path) -> None:
    found = photographs(csv(tmp_path, "path,identity,age,smiling\n1.jpg,a,,1\n2.jpg,a, 3e1 ,\n3.jpg,a,,\n"))
    assert [p.attributes for p in found] == [{"smiling": 1}, {"age": 30}, None]


@both
def test_true_and_false_are_one_and_zero(tmp_path: Path, kind: str) -> None:
    columns = {"path": ["1.jpg", "2.jpg"], "identity": ["a", "a"], "smiling": [True, False]}
    assert [p.attributes for p in photographs(written(tmp_path, columns, kind))] == [{"smiling": 1}, {"smiling": 0}]


@both
def test_columns_of_words_are_passed_over_and_said_once(
    tmp_path: Path, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    rows = 60_000
    columns = {"path": ["1.jpg"] * rows, "identity": ["a"] * rows, "remark": ["old photograph"] * rows}
    assert photographs(written(tmp_path, columns, kind))[-1].attributes is None
    assert [r.getMessage() for r in caplog.records] == [
        f"{tmp_path}/people.{kind}: passed over, since not of numbers: remark"
    ]


def test_a_csv_column_is_decided_where_its_first_values_are(tmp_path: Path) -> None:
    late = ",,\n" * 150_000
    rows = "path,identity,age,remark\n" + late.replace(",,", "1.jpg,a,,") + "2.jpg,a,30,blurred\n"
    assert photographs(csv(tmp_path, rows))[-1].attributes == {"age": 30}


def test_a_whole_number_may_be_followed_by_a_fraction_megabytes_later(tmp_path: Path) -> None:
    rows = "path,identity,age\n" + "1.jpg,a,1\n" * 150_000 + "2.jpg,a,0.5\n"
    assert photographs(csv(tmp_path, rows))[-1].attributes == {"age": 0.5}


def test_row_numbers_that_pandas_wrote_are_no_attribute(tmp_path: Path) -> None:
    assert photographs(csv(tmp_path, ",path,identity\n0,1.jpg,a\n"))[0].attributes is None


@both
def test_rows_that_cannot_be_used_are_counted_and_the_others_stay(tmp_path: Path, kind: str) -> None:
    rows = {
        "path": ["1.jpg", "", "3.jpg", "4.jpg", "5.jpg", "6.jpg", "7.jpg", "8.jpg"],
        "identity": ["a"] * 8,
        "split": ["", "", "training", "", "", "", "", ""],
        "sha256": ["", "", "", "123", "", "", "", ""],
        "box_left": [1, 1, 1, 1, None, 1, 1, 1],
        "box_top": [1.0] * 8,
        "box_width": [9, 9, 9, 9, 9, 0, 9, 9],
        "box_height": [9.0] * 8,
        **{name: [1.0] * 6 + [np.inf, 1.0] for name in LANDMARKS},
        "age": [1.0] * 7 + [np.nan],
    }
    manifest = written(tmp_path, rows, kind)
    assert rejects(manifest) == [
        (f"manifest/people.{kind}:3", "no_path"),
        ("manifest/3.jpg", "no_split"),
        ("manifest/4.jpg", "bad_sha256"),
        ("manifest/5.jpg", "bad_box"),
        ("manifest/6.jpg", "bad_box"),
        ("manifest/7.jpg", "bad_landmarks"),
    ]
    assert [i.name for i in listing(data(manifest)) if isinstance(i, Photograph)] == [
        "manifest/1.jpg",
        "manifest/8.jpg",
    ]


def test_a_path_with_a_nul_is_no_path(tmp_path: Path) -> None:
    assert rejects(parquet(tmp_path, {"path": ["a\0b"], "identity": ["a"]})) == [
        ("manifest/people.parquet:2", "no_path")
    ]


def test_a_word_in_a_column_of_numbers_is_a_reject(tmp_path: Path) -> None:
    header = ",".join(["path", "identity", *LANDMARKS])
    points = ",".join(map(str, POINTS))
    manifest = csv(tmp_path, f"{header}\n1.jpg,a,{points}\n2.jpg,a,left{points[3:]}\n3.jpg,a{',' * 10}\n")
    assert rejects(manifest) == [("manifest/2.jpg", "bad_landmarks")]
    assert [i.landmarks for i in listing(data(manifest)) if isinstance(i, Photograph)] == [POINTS, None]


def test_a_word_after_megabytes_of_numbers_is_a_reject(tmp_path: Path) -> None:
    rows = "path,identity,age\n" + "1.jpg,a,1\n" * 150_000 + "2.jpg,a,old\n"
    assert rejects(csv(tmp_path, rows)) == [("manifest/2.jpg", "bad_attribute")]


def test_damaged_rows_have_their_place_among_the_others(tmp_path: Path) -> None:
    rows = b"path,identity\n1.jpg,a\n2.jpg\n3.jpg,a,b\n\xff.jpg,a\n5.jpg,\xe9\n6.jpg,a\n\n7.jpg\n8.jpg,a\n"
    items = list(listing(data(csv(tmp_path, rows))))
    assert [i.name if isinstance(i, Photograph) else (i.source, i.reason) for i in items] == [
        "manifest/1.jpg",
        ("manifest/people.csv:3", "damaged_row"),
        ("manifest/people.csv:4", "damaged_row"),
        ("manifest/people.csv:5", "damaged_row"),
        ("manifest/people.csv:6", "damaged_row"),
        "manifest/6.jpg",
        ("manifest/people.csv:8", "damaged_row"),
        "manifest/8.jpg",
    ]
    assert items[1].detail == "1 fields where 2 are expected"


def test_damaged_rows_stand_in_one_order_in_a_file_of_many_blocks(tmp_path: Path) -> None:
    rows = "".join(f"{i}.jpg,a\n" if i % 1000 else f"{i}.jpg\n" for i in range(2, 100_002))
    manifest = csv(tmp_path, "path,identity\n" + rows + "x\n")
    items = list(listing(data(manifest)))
    assert len(items) == 100_001
    for row, item in enumerate(items[:-1], 2):
        assert (item.name if isinstance(item, Photograph) else item.source) == (
            f"manifest/{row}.jpg" if row % 1000 else f"manifest/people.csv:{row}"
        )
    assert items == list(listing(data(manifest)))


def test_a_quotation_mark_that_is_not_closed_is_not_taken_for_a_name(tmp_path: Path) -> None:
    rows = 'path,identity\n1.jpg,a\n2.jpg,"a\n' + "3.jpg,a\n" * 1000
    assert rejects(csv(tmp_path, rows)) == [("manifest/people.csv:3", "damaged_row")]


def test_a_csv_that_breaks_off_says_after_which_row(tmp_path: Path) -> None:
    rows = "path,identity\n" + "1.jpg,a\n" * 150_000 + '2.jpg,"a\n' + "3.jpg,a\n" * 300_000
    with pytest.raises(UserError, match=r"people\.csv cannot be read on after row \d+ \("):
        list(listing(data(csv(tmp_path, rows))))


def test_a_damaged_parquet_file_says_after_which_row(tmp_path: Path) -> None:
    names = [f"{i:09d}.jpg" for i in range(100_000)]
    file = parquet(tmp_path, {"path": names, "identity": names}, row_group_size=10_000, use_dictionary=False)
    content = bytearray(file.read_bytes())
    content[len(content) // 2 : len(content) // 2 + 5000] = b"\xff" * 5000
    file.write_bytes(content)
    with pytest.raises(UserError, match=r"people\.parquet cannot be read on after row"):
        list(listing(data(file)))


def test_other_spellings_of_csv_are_read(tmp_path: Path) -> None:
    rows = b'\xef\xbb\xbfpath,identity\r\n"a ""b"", c.jpg",ada\r\n"two\nlines.jpg",ada\r\n'
    assert [p.name for p in photographs(csv(tmp_path, rows))] == ['manifest/a "b", c.jpg', "manifest/two\nlines.jpg"]


def test_a_manifest_without_rows_gives_nothing(tmp_path: Path) -> None:
    assert photographs(csv(tmp_path, "path,identity\n")) == []
    assert (
        photographs(parquet(tmp_path, {"path": pa.array([], pa.string()), "identity": pa.array([], pa.string())})) == []
    )


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("", "cannot be read as CSV"),
        ("identity\na\n", r"has no column path \(but identity\)"),
        ("path;identity\n1.jpg;a\n", r"has no column path \(but path;identity\)"),
        ("path\n1.jpg\n", "has no column identity"),
        ("path,identity,path\n1.jpg,a,2.jpg\n", "has the column 'path' twice"),
        (
            "path,identity,box_left\n1.jpg,a,1\n",
            "has 1 of the columns box_left, .*; add box_top, box_width, box_height",
        ),
        ("path,identity,offset\n1.tar,a,512\n", "has the column offset and no size; add"),
        ("path,identity,nose_x,nose_y\n1.jpg,a,1,1\n", "has 2 of the columns left_eye_x"),
        (b"path,identity\xff\n1.jpg,a\n", "cannot be read as CSV in UTF-8"),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "people.csv"),
    ],
)
def test_a_manifest_that_is_none_is_refused_before_the_first_row(
    tmp_path: Path, rows: str | bytes, message: str
) -> None:
    with pytest.raises(UserError, match=message):
        listing(data(csv(tmp_path, rows)))


def test_parquet_that_is_none_is_refused_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read as Parquet"):
        listing(data(csv(tmp_path, "path,identity\n", "people.parquet")))
    with pytest.raises(UserError, match="the column identity should be of text or numbers"):
        listing(data(parquet(tmp_path, {"path": ["1.jpg"], "identity": [["ada"]]})))


def test_a_place_that_holds_no_manifest_is_refused_before_the_first_row(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"nowhere is not there; data\.manifest should name"):
        listing(data(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"holds no \.csv and no \.parquet"):
        listing(data(tmp_path))
    with pytest.raises(UserError, match=r"data\.manifest should end in"):
        listing(data(csv(tmp_path, "path,identity\n", "people.txt")))


@both
def test_memory_does_not_grow_with_the_manifest(tmp_path: Path, kind: str) -> None:
    rows = 100_000
    columns = {"path": [f"{i:09d}.jpg" for i in range(rows)], "identity": [str(i // 20) for i in range(rows)]}
    manifest = written(tmp_path, columns, kind)
    del columns
    before, most = pa.total_allocated_bytes(), 0
    for row, _ in enumerate(listing(data(manifest))):
        if row % 1000 == 0:
            most = max(most, pa.total_allocated_bytes() - before)
    assert most < 2**23
