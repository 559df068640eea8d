import os
import struct
import tempfile
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.datasets.faces import Photograph, Reject
from pipeline.datasets.sources import recordio
from pipeline.datasets.splits import split_of
from pipeline.errors import UserError
from pipeline.params import Data, load_params
from tests.fuzzing import mutated

PARAMS = load_params().data
MAGIC = struct.pack("<I", 0xCED7230A)
IMAGES = [b"\xff\xd8one\xff\xd9", b"\xff\xd8three and a bit\xff\xd9", b"\xff\xd8two!!\xff\xd9", b"\xff\xd8x\xff\xd9"]
LABELS = [0, 0, 1, 7]


def payload(labels: float | list[float], image: bytes, key: int = 0) -> bytes:
    if isinstance(labels, list):
        return struct.pack(f"<IfQQ{len(labels)}f", len(labels), 0, key, 0, *labels) + image
    return struct.pack("<IfQQ", 0, labels, key, 0) + image


def framed(content: bytes) -> bytes:
    """A record as MXNet writes it: cut wherever a word of it is the magic number."""
    parts = [b""]
    for i in range(0, len(content), 4):
        word = content[i : i + 4]
        parts = [*parts, b""] if word == MAGIC else [*parts[:-1], parts[-1] + word]
    framed = b""
    for i, part in enumerate(parts):
        flag = 0 if len(parts) == 1 else 1 if i == 0 else 3 if i == len(parts) - 1 else 2
        framed += MAGIC + struct.pack("<I", flag << 29 | len(part)) + part + bytes(-len(part) % 4)
    return framed


def files(payloads: dict[int, bytes]) -> dict[str, bytes]:
    """A folder's three files; the index in the order of the payloads."""
    rec, index = b"", b""
    for key, content in payloads.items():
        index += b"%d\t%d\n" % (key, len(rec))
        rec += framed(content)
    return {"train.rec": rec, "train.idx": index, "property": b"2,112,112\n"}


def insightface() -> dict[int, bytes]:
    """Four images of three people, in face2rec2's order: the images, what they are, the people."""
    images = {key: payload(label, image, key) for key, (label, image) in enumerate(zip(LABELS, IMAGES, strict=True), 1)}
    people = {key: payload([first, last], b"", key) for key, first, last in ((5, 1, 3), (6, 3, 4), (7, 4, 5))}
    return images | {0: payload([5, 8], b"")} | people


def write(folder: Path, contents: dict[str, bytes]) -> Data:
    folder.mkdir(exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)
    return PARAMS.model_copy(update={"recordio": str(folder)})


def collect(data: Data) -> tuple[list[Photograph], dict[str, Reject]]:
    items = list(recordio.listing(data))
    rejects = [item for item in items if isinstance(item, Reject)]
    assert len({reject.source for reject in rejects}) == len(rejects)
    return [item for item in items if isinstance(item, Photograph)], {reject.source: reject for reject in rejects}


def content(photograph: Photograph) -> bytes:
    with open(photograph.file, "rb") as file:
        file.seek(photograph.offset)
        return file.read(photograph.size)


def reasons(rejects: dict[str, Reject]) -> dict[str, str]:
    return {source: reject.reason for source, reject in rejects.items()}


def test_every_image_is_found_where_it_lies_and_records_of_people_are_passed_over(tmp_path: Path) -> None:
    photographs, rejects = collect(write(tmp_path, files(insightface())))
    assert [photograph.name for photograph in photographs] == [f"recordio/{key}" for key in (1, 2, 3, 4)]
    assert [photograph.identity for photograph in photographs] == [f"recordio/{label}" for label in LABELS]
    assert [content(photograph) for photograph in photographs] == IMAGES
    assert not rejects


def test_record_0_may_come_first(tmp_path: Path) -> None:
    payloads = insightface()
    photographs, rejects = collect(write(tmp_path, files({0: payloads.pop(0)} | payloads)))
    assert (len(photographs), rejects) == (4, {})


def test_a_persons_split_follows_from_the_label(tmp_path: Path) -> None:
    photographs, _ = collect(write(tmp_path, files(insightface())))
    shares = PARAMS.shares.model_dump()
    assert [photograph.split for photograph in photographs] == [split_of(str(label), shares) for label in LABELS]


def test_a_list_of_labels_names_the_person_first(tmp_path: Path) -> None:
    photographs, _ = collect(write(tmp_path, files({1: payload([3, 1], IMAGES[0]), 2: payload([4], IMAGES[1])})))
    assert [photograph.identity for photograph in photographs] == ["recordio/3", "recordio/4"]
    assert [content(photograph) for photograph in photographs] == IMAGES[:2]


def test_without_records_of_people_every_record_is_an_image(tmp_path: Path) -> None:
    payloads = {key: payload(label, image) for key, (label, image) in enumerate(zip(LABELS, IMAGES, strict=True))}
    photographs, rejects = collect(write(tmp_path, files(payloads)))
    assert [photograph.name for photograph in photographs] == [f"recordio/{key}" for key in range(4)]
    assert not rejects


def test_the_landmarks_are_arcfaces_in_the_size_of_the_images(tmp_path: Path) -> None:
    contents = files(insightface())
    photographs, _ = collect(write(tmp_path, contents))
    assert photographs[0].landmarks == pytest.approx(recordio.ARCFACE)
    photographs, _ = collect(write(tmp_path, contents | {"property": b"3, 224, 56"}))
    assert photographs[0].landmarks is not None
    assert photographs[0].landmarks[:2] == pytest.approx((38.2946 / 2, 51.6963 * 2))


def test_an_image_that_holds_the_magic_number_is_counted(tmp_path: Path) -> None:
    payloads = insightface() | {2: payload(0, b"\xff\xd8ab" + MAGIC + b"rest" + MAGIC + b"end", 2)}
    photographs, rejects = collect(write(tmp_path, files(payloads)))
    assert [photograph.name for photograph in photographs] == ["recordio/1", "recordio/3", "recordio/4"]
    assert reasons(rejects) == {"recordio/2": "multipart_record"}


def test_the_magic_number_off_the_words_of_a_record_is_an_images(tmp_path: Path) -> None:
    image = b"\xff\xd8a" + MAGIC + b"\xff\xd9"
    photographs, _ = collect(write(tmp_path, files({1: payload(0, image)})))
    assert content(photographs[0]) == image


def test_a_record_cut_off_and_those_behind_it_are_counted(tmp_path: Path) -> None:
    contents = files(insightface())
    third = int(contents["train.idx"].split()[5])
    for cut in (third + 3, third + 20, third + 8 + 24 + len(IMAGES[2]) - 1):
        photographs, rejects = collect(write(tmp_path, contents | {"train.rec": contents["train.rec"][:cut]}))
        assert [content(photograph) for photograph in photographs] == IMAGES[:2]
        assert rejects["recordio/3"].reason == "damaged"
        assert rejects["recordio/4"].reason == "index_disagrees"


@pytest.mark.parametrize("offset", [4, 12, 10**9, 10**40])
def test_an_offset_where_no_record_begins_is_counted(tmp_path: Path, offset: int) -> None:
    contents = files(insightface())
    index = contents["train.idx"].replace(b"1\t0\n", b"1\t%d\n" % offset, 1)
    photographs, rejects = collect(write(tmp_path, contents | {"train.idx": index}))
    assert len(photographs) == 3
    assert reasons(rejects) == {"recordio/1": "index_disagrees"}
    assert str(offset) in rejects["recordio/1"].detail


def test_an_offset_into_the_middle_of_a_record_in_parts_is_counted(tmp_path: Path) -> None:
    contents = files(insightface() | {8: payload(0, b"\xff\xd8ab" + MAGIC + b"rest", 8)})
    inside = contents["train.rec"].rindex(MAGIC)
    _, rejects = collect(write(tmp_path, contents | {"train.idx": contents["train.idx"] + b"9\t%d\n" % inside}))
    assert reasons(rejects) == {"recordio/8": "multipart_record", "recordio/9": "index_disagrees"}


@pytest.mark.parametrize(
    "line", [b"1\n", b"one\t2\n", b"1\t-4\n", b"1\t0\t0\n", b"1_0\t0\n", b"\xff\t\xfe\n", b"7" * 5000]
)
def test_a_line_of_the_index_that_is_no_pair_of_numbers_is_counted(tmp_path: Path, line: bytes) -> None:
    contents = files(insightface())
    photographs, rejects = collect(write(tmp_path, contents | {"train.idx": contents["train.idx"] + line}))
    assert len(photographs) == 4
    assert reasons(rejects) == {"recordio/train.idx:9": "damaged"}


def test_blank_lines_and_windows_ends_of_lines_do_no_harm(tmp_path: Path) -> None:
    contents = files(insightface())
    index = contents["train.idx"].replace(b"\n", b"\r\n") + b"\r\n"
    photographs, rejects = collect(write(tmp_path, contents | {"train.idx": index}))
    assert (len(photographs), rejects) == (4, {})


def test_a_length_beyond_the_file_is_counted(tmp_path: Path) -> None:
    contents = files(insightface())
    rec = contents["train.rec"][:4] + struct.pack("<I", 2**29 - 1) + contents["train.rec"][8:]
    photographs, rejects = collect(write(tmp_path, contents | {"train.rec": rec}))
    assert (len(photographs), reasons(rejects)) == (3, {"recordio/1": "damaged"})


@pytest.mark.parametrize("word", [0, 23, 4 << 29 | 32, 7 << 29 | 32])
def test_a_length_too_small_or_an_unknown_kind_of_part_is_counted(tmp_path: Path, word: int) -> None:
    contents = files(insightface())
    rec = contents["train.rec"][:4] + struct.pack("<I", word) + contents["train.rec"][8:]
    _, rejects = collect(write(tmp_path, contents | {"train.rec": rec}))
    assert reasons(rejects) == {"recordio/1": "damaged"}


@pytest.mark.parametrize("label", [float("nan"), float("inf"), -float("inf"), -1.0, 1.5])
@pytest.mark.parametrize("in_list", [False, True])
def test_a_label_that_is_no_number_of_a_person_is_counted(tmp_path: Path, label: float, in_list: bool) -> None:
    payloads = insightface() | {3: payload([label, 0] if in_list else label, IMAGES[2])}
    _, rejects = collect(write(tmp_path, files(payloads)))
    assert reasons(rejects) == {"recordio/3": "damaged"}


@pytest.mark.parametrize("labels", [4, 2**31, 2**32 - 1])
def test_more_labels_than_fit_are_counted(tmp_path: Path, labels: int) -> None:
    payloads = insightface() | {3: struct.pack("<IfQQ", labels, 0, 3, 0) + bytes(12)}
    _, rejects = collect(write(tmp_path, files(payloads)))
    assert reasons(rejects) == {"recordio/3": "damaged"}


def test_a_record_of_an_image_without_one_is_counted(tmp_path: Path) -> None:
    _, rejects = collect(write(tmp_path, files(insightface() | {3: payload(1, b"")})))
    assert reasons(rejects) == {"recordio/3": "damaged"}


def test_a_damaged_record_0_costs_no_image(tmp_path: Path) -> None:
    payloads = insightface()
    payloads[0] = payload([float("nan"), 8], b"")
    photographs, rejects = collect(write(tmp_path, files(payloads)))
    assert len(photographs) == 4
    assert set(reasons(rejects).values()) == {"damaged"}
    photographs, _ = collect(write(tmp_path, files(insightface() | {0: payload([2, 8], b"")})))
    assert len(photographs) == 4


def test_names_are_unique_whatever_the_order_of_the_numbers(tmp_path: Path) -> None:
    contents = files({3: payload(0, IMAGES[0]), 1: payload(0, IMAGES[1]), 2: payload(1, IMAGES[2])})
    photographs, _ = collect(write(tmp_path, contents | {"train.idx": contents["train.idx"] * 2}))
    assert len({photograph.name for photograph in photographs}) == len(photographs) == 6
    assert photographs[0].name == "recordio/3"


@pytest.mark.parametrize("name", recordio.FILES)
def test_a_missing_or_empty_file_is_refused_at_the_call(tmp_path: Path, name: str) -> None:
    data = write(tmp_path, files(insightface()) | {name: b""})
    with pytest.raises(UserError, match=f"{name} is empty"):
        recordio.listing(data)
    (tmp_path / name).unlink()
    with pytest.raises(UserError, match=f"holds no file {name}"):
        recordio.listing(data)


def test_a_missing_folder_is_refused_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder; data\.recordio should name"):
        recordio.listing(PARAMS.model_copy(update={"recordio": str(tmp_path / "nowhere")}))


def test_a_file_of_another_kind_is_refused_at_the_call(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="does not begin as RecordIO does"):
        recordio.listing(write(tmp_path, files(insightface()) | {"train.rec": b"PK\x03\x04 and more"}))


@pytest.mark.parametrize("text", [b"2,112", b"2,112,112,3", b"2,0,112", b"2,112,-112", b"2,112,9999999", b"\xff\xfe"])
def test_a_property_file_that_states_no_size_is_refused_at_the_call(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(UserError, match="should hold people, height and width"):
        recordio.listing(write(tmp_path, files(insightface()) | {"property": text}))


def test_the_index_of_another_file_is_refused_in_the_end(tmp_path: Path) -> None:
    index = b"".join(b"%d\t%d\n" % (key, 36 * key + 5) for key in range(1, 9))
    items = recordio.listing(write(tmp_path, files(insightface()) | {"train.idx": index}))
    with pytest.raises(UserError, match="none of 8 records is an image"):
        list(items)


def test_memory_does_not_grow_with_the_number_of_images(tmp_path: Path) -> None:
    images = 100_000
    record = framed(payload(0, b"\xff\xd8\xff\xd9"))
    index = b"".join(b"%d\t%d\n" % (key, key * len(record)) for key in range(images))
    data = write(tmp_path, {"train.rec": record * images, "train.idx": index, "property": b"1,112,112"})
    del index
    tracemalloc.start()
    try:
        assert sum(isinstance(item, Photograph) for item in recordio.listing(data)) == images
        assert tracemalloc.get_traced_memory()[1] < 4e6
    finally:
        tracemalloc.stop()


WHOLE = files(insightface())
LISTS = files({key: payload([label, 1], image) for key, (label, image) in enumerate(zip(LABELS, IMAGES, strict=True))})
PARTS = files({1: payload(0, b"ab" * 2 + MAGIC + b"rest"), 2: payload(1, IMAGES[1])})


def survives(contents: dict[str, bytes]) -> None:
    """Nothing but photographs within the file, rejects and UserError, in little memory."""
    with tempfile.TemporaryDirectory() as folder:
        data = write(Path(folder), contents)
        names = set()
        tracemalloc.start()
        try:
            for item in recordio.listing(data):
                if isinstance(item, Reject):
                    assert item.reason in ("damaged", "index_disagrees", "multipart_record")
                    continue
                assert item.name not in names
                assert item.size is not None
                assert 0 < item.offset < item.offset + item.size <= os.path.getsize(item.file)
                names.add(item.name)
        except UserError:
            pass
        finally:
            peak = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        assert peak < 8e6


def mutations(name: str) -> st.SearchStrategy[bytes]:
    seeds = [WHOLE[name], LISTS[name], PARTS[name]]
    return st.sampled_from(seeds) | mutated(seeds)


DAMAGED = st.fixed_dictionaries(
    {
        "train.rec": mutations("train.rec"),
        "train.idx": mutations("train.idx"),
        "property": st.just(WHOLE["property"]) | mutations("property"),
    }
)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=500, deadline=5000, suppress_health_check=SLOW)
@given(DAMAGED)
def test_damaged_files_give_photographs_rejects_or_one_sentence(contents: dict[str, bytes]) -> None:
    survives(contents)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=5000, suppress_health_check=SLOW)
@given(DAMAGED)
def test_ten_thousand_damaged_files_do(contents: dict[str, bytes]) -> None:
    survives(contents)
