import io
import os
import subprocess
import tarfile
import tempfile
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from pipeline.datasets.faces import Photograph, Reject
from pipeline.datasets.sources import unlabelled
from pipeline.datasets.splits import UNLABELLED
from pipeline.errors import UserError
from pipeline.params import load_params
from tests.fuzzing import mutated

DATA = load_params().data
END = bytes(1024)
LONG = "/".join(["a folder with quite a long name"] * 9) + "/face.jpg"


def header(name: bytes, size: int | bytes, kind: bytes = b"0", tail: bytes = b"ustar\x0000") -> bytes:
    """The block before a member; `tail` begins where POSIX has its magic."""
    field = size if isinstance(size, bytes) else b"%011o\0" % size
    block = name.ljust(100, b"\0") + b"0000644\0" * 3 + field + b"00000000000\0" + b" " * 8 + kind
    return summed((block.ljust(257, b"\0") + tail).ljust(512, b"\0"))


def summed(block: bytes) -> bytes:
    """The header with its checksum."""
    return block[:148] + b"%06o\0 " % (sum(block[:148]) + 256 + sum(block[156:])) + block[156:]


def member(name: bytes, content: bytes = b"pixels", kind: bytes = b"0") -> bytes:
    return header(name, len(content), kind) + padded(content)


def padded(content: bytes) -> bytes:
    return content + bytes(-len(content) % 512)


def properties(**values: bytes) -> bytes:
    rows = b""
    for key, value in values.items():
        row = b" %s=%s\n" % (key.replace("__", ".").encode(), value)
        length = len(row) + len(str(len(row)))
        rows += b"%d" % (length + (len(str(length)) > len(str(len(row))))) + row
    return rows


def packed(style: int, names: list[str]) -> bytes:
    """An archive of Python's own."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=style) as archive:
        for name in names:
            info = tarfile.TarInfo(name)
            info.size = len(name.encode())
            archive.addfile(info, io.BytesIO(name.encode()))
    return stream.getvalue()


def listing(root: Path) -> Iterator[Photograph | Reject]:
    return unlabelled.listing(DATA.model_copy(update={"unlabelled": str(root)}))


def collect(root: Path) -> tuple[dict[str, bytes], dict[str, str]]:
    """Names and bytes of what is used, names and reasons of what is not."""
    used, rejected = {}, {}
    for item in listing(root):
        if isinstance(item, Reject):
            assert item.source not in rejected
            rejected[item.source.removeprefix("unlabelled/")] = item.reason
        else:
            assert (item.identity, item.split) == (None, UNLABELLED)
            assert item.name not in used
            used[item.name.removeprefix("unlabelled/")] = content(item)
    return used, rejected


def content(photograph: Photograph) -> bytes:
    with open(photograph.file, "rb") as file:
        file.seek(photograph.offset)
        return file.read() if photograph.size is None else file.read(photograph.size)


def of_archive(folder: Path, archive: bytes) -> tuple[dict[str, bytes], dict[str, str]]:
    """The same for a single archive, without its name."""
    (folder / "a.tar").write_bytes(archive)
    used, rejected = collect(folder)
    return {name.removeprefix("a.tar/"): found for name, found in used.items()}, rejected


def test_every_file_of_every_folder_is_a_candidate_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b/2.jpg", "b/1.png", "c.JPG", "a/x/y/z.webp", "a/no suffix"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(name.encode())
    used, rejected = collect(tmp_path)
    assert list(used) == ["a/no suffix", "a/x/y/z.webp", "b/1.png", "b/2.jpg", "c.JPG"]
    assert all(found == name.encode() for name, found in used.items())
    assert not rejected


def test_files_and_archives_may_be_mixed(tmp_path: Path) -> None:
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep" / "b.TAR").write_bytes(member(b"1.jpg", b"one") + member(b"x/2.png", b"two") + END)
    (tmp_path / "a.jpg").write_bytes(b"loose")
    used, rejected = collect(tmp_path)
    assert used == {"a.jpg": b"loose", "deep/b.TAR/1.jpg": b"one", "deep/b.TAR/x/2.png": b"two"}
    assert not rejected


def test_hidden_entries_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "1.jpg").touch()
    (tmp_path / ".gitkeep").touch()
    archive = member(b"._1.jpg") + member(b".trash/1.jpg") + member(b"./1.jpg") + member(b"../2.jpg") + END
    assert collect(tmp_path) == ({}, {})
    used, rejected = of_archive(tmp_path, archive)
    assert (list(used), rejected) == (["./1.jpg", "../2.jpg"], {})


def test_loose_files_that_are_no_images_by_their_names_are_counted(tmp_path: Path) -> None:
    names = ["a.txt", "b.JSON", "c.csv", "d.md", "e.html", "f.xml", "g.cls", "h.parquet"]
    for name in names:
        (tmp_path / name).touch()
    assert collect(tmp_path) == ({}, dict.fromkeys(names, "not_an_image"))


def test_members_that_are_no_images_by_their_names_are_passed_over(tmp_path: Path) -> None:
    archive = b"".join(member(b"0001." + suffix) for suffix in (b"jpg", b"json", b"cls", b"txt", b"seg.png", b"tar"))
    used, rejected = of_archive(tmp_path, archive + member(b"no suffix") + END)
    assert (list(used), rejected) == (["0001.jpg", "0001.seg.png"], {})


@pytest.mark.parametrize("style", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_archives_of_every_format_are_read_as_python_reads_them(tmp_path: Path, style: int) -> None:
    names = ["a.jpg", "b/ä ö.png", "x" * 96 + ".jpg", "long" * 30 + "/" + "name" * 20 + ".png"]
    if style != tarfile.USTAR_FORMAT:
        names += [LONG, "long" * 300 + ".webp"]
    used, rejected = of_archive(tmp_path, packed(style, names))
    assert used == {name: name.encode() for name in names}
    assert not rejected
    with tarfile.open(tmp_path / "a.tar") as archive:
        expected = [(info.offset_data, info.size) for info in archive]
    assert [(item.offset, item.size) for item in listing(tmp_path) if isinstance(item, Photograph)] == expected


def test_old_archives_without_a_magic_are_read(tmp_path: Path) -> None:
    archive = header(b"x/", 0, b"\0", b"") + header(b"x/1.jpg", 3, b"\0", b"") + padded(b"old") + END
    assert of_archive(tmp_path, archive) == ({"x/1.jpg": b"old"}, {})


def test_a_size_may_be_binary_or_a_property(tmp_path: Path) -> None:
    binary = header(b"1.jpg", b"\x80" + (3).to_bytes(11, "big")) + padded(b"one")
    extended = member(b"pax", properties(size=b"600"), b"x") + header(b"2.jpg", 0) + padded(b"2" * 600)
    archive = binary + extended + member(b"3.jpg", b"three") + END
    assert of_archive(tmp_path, archive) == ({"1.jpg": b"one", "2.jpg": b"2" * 600, "3.jpg": b"three"}, {})


def test_properties_for_all_hold_until_a_members_own(tmp_path: Path) -> None:
    own = member(b"pax", properties(path=b"own.jpg", comment=b"none"), b"x")
    archive = member(b"pax", properties(path=b"all.jpg"), b"g") + own + member(b"1.jpg") + member(b"2.jpg") + END
    used, _ = of_archive(tmp_path, archive)
    assert list(used) == ["own.jpg", "all.jpg"]


@pytest.mark.parametrize("kind", [b"1", b"2", b"3", b"4", b"6", b"V"])
def test_members_that_are_no_files_are_counted(tmp_path: Path, kind: bytes) -> None:
    claimed = 0 if kind == b"V" else 10**6  # only kinds that POSIX does not know have bytes
    archive = header(b"link.jpg", claimed, kind) + header(b"folder/", 512, b"5") + member(b"1.jpg") + END
    used, rejected = of_archive(tmp_path, archive)
    assert (list(used), rejected) == (["1.jpg"], {"a.tar/link.jpg": "not_a_file"})


def test_sparse_members_are_counted(tmp_path: Path) -> None:
    gnu = header(b"1.jpg", 6, b"S")
    gnu = summed(gnu[:482] + b"\1" + gnu[483:])
    gnu_map = bytes(504) + b"\1" + bytes(7) + bytes(512)
    pax = member(b"pax", properties(GNU__sparse__major=b"1", GNU__sparse__minor=b"0"), b"x") + member(b"2.jpg")
    archive = gnu + gnu_map + padded(b"pixels") + pax + member(b"3.jpg") + END
    used, rejected = of_archive(tmp_path, archive)
    assert list(used) == ["3.jpg"]
    assert rejected == {"a.tar/1.jpg": "sparse_member", "a.tar/2.jpg": "sparse_member"}


def test_the_map_of_a_sparse_member_that_never_ends_ends_with_the_archive(tmp_path: Path) -> None:
    archive = member(b"1.jpg") + summed(header(b"2.jpg", 0, b"S")[:482] + b"\1" + bytes(29)) + b"\1" * 512 * 50
    used, rejected = of_archive(tmp_path, archive)
    assert (list(used), rejected) == (["1.jpg"], {"a.tar": "damaged"})


def test_two_members_of_one_name_are_told_apart(tmp_path: Path) -> None:
    names = [b"1.jpg", b"1.jpg", b"1.jpg#2.jpg", b"\xff.jpg", b"\\xff.jpg", b"1.jpg"]
    used, _ = of_archive(tmp_path, b"".join(member(name, b"%d" % i) for i, name in enumerate(names)) + END)
    assert list(used) == ["1.jpg", "1.jpg#2", "1.jpg#2.jpg", "\\xff.jpg", "\\xff.jpg#5", "1.jpg#6"]
    assert list(used.values()) == [b"%d" % i for i in range(6)]


def test_names_may_be_any_bytes(tmp_path: Path) -> None:
    names = [b"\xff.jpg", b"\\xff.jpg", b"\\xff.jpg#2", b'"quoted"\n.jpg', "ä.jpg".encode()]
    for name in names:
        (tmp_path / os.fsdecode(name)).write_bytes(name)
    used, rejected = collect(tmp_path)
    assert sorted(used.values()) == sorted(names)
    assert not rejected
    assert used['"quoted"\n.jpg'] == b'"quoted"\n.jpg'
    assert used["\\xff.jpg"] == b"\\xff.jpg"
    assert all(name.encode().decode() == name for name in used)


def test_compressed_archives_are_counted_whatever_they_are_called(tmp_path: Path) -> None:
    names = ["a.tar.gz", "b.TGZ", "c.tar.zst", "d.tar.bz2", "e.txz"]
    for name in names:
        (tmp_path / name).touch()
    (tmp_path / "f.tar").write_bytes(b"\x1f\x8b\x08 and more")
    (tmp_path / "g.tar.jpg").touch()
    used, rejected = collect(tmp_path)
    assert (list(used), rejected) == (["g.tar.jpg"], dict.fromkeys([*names, "f.tar"], "compressed_archive"))


WHOLE = member(b"1.jpg", b"one") + member(b"2.jpg", b"two" * 400) + member(b"3.jpg", b"three") + END


@pytest.mark.parametrize("cut", [1024 + 1, 1024 + 511, 1024 + 512, 1024 + 512 + 1199, 1024 + 512 + 1201])
def test_members_before_the_place_where_an_archive_is_cut_off_are_used(tmp_path: Path, cut: int) -> None:
    used, rejected = of_archive(tmp_path, WHOLE[:cut])
    assert list(used) == (["1.jpg", "2.jpg"] if cut > 1024 + 512 + 1200 else ["1.jpg"])
    assert rejected == {"a.tar": "damaged"}


def test_an_archive_without_its_end_is_whole_if_its_members_are(tmp_path: Path) -> None:
    used, rejected = of_archive(tmp_path, WHOLE[: -len(END)])
    assert (len(used), rejected) == (3, {})


@pytest.mark.parametrize(
    "broken",
    [
        b"no header".ljust(512, b"."),
        header(b"x.jpg", b"77777777777\0"),
        header(b"x.jpg", b"\x80" + b"\xff" * 11),
        header(b"x.jpg", b"\xff" * 11 + b"\0"),
        header(b"x.jpg", b"89\0"),
        header(b"long", 2**33 - 1, b"L"),
        header(b"long", b"\xff" * 12, b"L"),
        header(b"pax", b"\x80" + b"\xff" * 11, b"x"),
        member(b"long", b"n" * 5000, b"L"),
        member(b"pax", b"0 path=1.jpg\n", b"x"),
        member(b"pax", b"5 path=1.jpg\n", b"x"),
        member(b"pax", b"99 path=1.jpg\n", b"x"),
        member(b"pax", b"path=1.jpg\n", b"x"),
        member(b"pax", b"2 " * 40_000 + b"=", b"x"),
        member(b"pax", b"9" * 1_000_000, b"x"),
        member(b"pax", properties(comment=b"c" * 2_000_000), b"x"),
        member(b"pax", properties(size=b"-5"), b"x"),
        member(b"pax", properties(size=b"1" * 5000), b"x"),
        END + WHOLE,
        END + bytes(2_000_000),
    ],
)
def test_hostile_headers_end_an_archive_and_what_came_before_is_used(tmp_path: Path, broken: bytes) -> None:
    (tmp_path / "a.tar").write_bytes(member(b"1.jpg") + broken + member(b"2.jpg"))
    tracemalloc.start()
    try:
        used, rejected = collect(tmp_path)
        assert tracemalloc.get_traced_memory()[1] < 16e6
    finally:
        tracemalloc.stop()
    assert list(used) == ["a.tar/1.jpg"]
    assert rejected == {"a.tar": "damaged"}


@pytest.mark.parametrize("archive", [b"", b"\0", b"no archive", member(b"pax", properties(path=b"1.jpg"), b"x")])
def test_a_file_that_is_no_archive_is_counted(tmp_path: Path, archive: bytes) -> None:
    assert of_archive(tmp_path, archive) == ({}, {"a.tar": "damaged"})


def test_links_are_followed_to_files_inside_alone(tmp_path: Path) -> None:
    root, outside = tmp_path / "faces", tmp_path / "outside.jpg"
    (root / "folder").mkdir(parents=True)
    outside.touch()
    (root / "1.jpg").write_bytes(b"one")
    links = {"again.jpg": "1.jpg", "gone.jpg": "nowhere.jpg", "loop": ".", "of itself": "of itself", "out.jpg": outside}
    for name, target in links.items():
        (root / name).symlink_to(target)
    used, rejected = collect(root)
    assert used == {"1.jpg": b"one", "again.jpg": b"one"}
    assert rejected == {
        "gone.jpg": "unreadable",
        "loop": "link_to_a_folder",
        "of itself": "unreadable",
        "out.jpg": "outside",
    }


def test_the_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "faces").mkdir()
    (tmp_path / "faces" / "1.jpg").touch()
    (tmp_path / "link").symlink_to("faces")
    assert list(collect(tmp_path / "link")[0]) == ["1.jpg"]


def test_named_pipes_are_counted_and_not_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.tar")
    assert collect(tmp_path) == ({}, {"pipe.tar": "not_a_file"})


@pytest.mark.skipif(os.geteuid() == 0, reason="root may open everything")
def test_what_cannot_be_opened_is_counted(tmp_path: Path) -> None:
    for name in ("closed", "unsearchable"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.jpg").touch()
    (tmp_path / "a.tar").touch(mode=0)
    (tmp_path / "closed").chmod(0)
    (tmp_path / "unsearchable").chmod(0o600)
    try:
        reasons = {"a.tar": "unreadable", "closed": "unreadable", "unsearchable/1.jpg": "unreadable"}
        assert collect(tmp_path) == ({}, reasons)
    finally:
        for name in ("closed", "unsearchable"):
            (tmp_path / name).chmod(0o700)


def test_folders_may_be_deeper_than_python_recurses(tmp_path: Path) -> None:
    depth = 1500
    folder = os.path.join(tmp_path, *["d"] * depth)
    try:
        os.makedirs(os.path.join(tmp_path, *["d"] * (depth // 2)))  # it recurses too
        os.makedirs(folder)
        Path(folder, "1.jpg").touch()
        used, rejected = collect(tmp_path)
    finally:
        subprocess.run(["rm", "-r", tmp_path / "d"], check=True)  # pytest could not
    assert (list(used), rejected) == (["d/" * depth + "1.jpg"], {})


def test_a_missing_folder_is_refused_at_the_call_and_an_empty_one_adds_nothing(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no folder; data\.unlabelled should name one"):
        listing(tmp_path / "nowhere")
    assert collect(tmp_path) == ({}, {})


def test_memory_does_not_grow_with_the_number_of_members(tmp_path: Path) -> None:
    images = 20_000
    archive = b"".join(member(b"%08d.jpg" % i, b"") for i in range(images))
    (tmp_path / "a.tar").write_bytes(archive + END)
    del archive
    tracemalloc.start()
    try:
        names = (item.name for item in listing(tmp_path) if isinstance(item, Photograph))
        assert sum(name.endswith(".jpg") for name in names) == images
        assert tracemalloc.get_traced_memory()[1] < 12e6
    finally:
        tracemalloc.stop()


def survives(archive: bytes) -> None:
    """Nothing but photographs within the file and rejects, in little memory."""
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "a.tar").write_bytes(archive)
        names = set()
        tracemalloc.start()
        try:
            for item in listing(Path(folder)):
                if isinstance(item, Reject):
                    assert item.reason in ("damaged", "not_a_file", "sparse_member", "compressed_archive")
                    continue
                assert item.name not in names
                assert item.name.encode().decode() == item.name
                assert item.size is not None
                assert 512 <= item.offset <= item.offset + item.size <= len(archive)
                names.add(item.name)
            assert tracemalloc.get_traced_memory()[1] < 16e6
        finally:
            tracemalloc.stop()


def mended(archive: bytes) -> bytes:
    """With the checksums that its headers should have: damage that has them gets further."""
    blocks = [archive[i : i + 512] for i in range(0, len(archive), 512)]
    return b"".join(summed(block) if b"ustar" in block[250:270] and len(block) == 512 else block for block in blocks)


SEEDS = [
    WHOLE,
    packed(tarfile.GNU_FORMAT, ["a.jpg", LONG, "b.json"]),
    packed(tarfile.PAX_FORMAT, ["a.jpg", LONG, "ä.png"]),
    header(b"1.jpg", 6, b"S") + padded(b"pixels") + header(b"2.jpg", 0, b"2") + member(b"3.jpg") + END,
    member(b"pax", properties(size=b"6"), b"g") + header(b"1.jpg", b"\x80" + bytes(10) + b"\6") + padded(b"pixels"),
]
DAMAGED = mutated(SEEDS) | mutated(SEEDS).map(mended)
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]


@settings(max_examples=500, deadline=5000, suppress_health_check=SLOW)
@given(DAMAGED)
def test_damaged_archives_give_photographs_and_rejects(archive: bytes) -> None:
    survives(archive)


@pytest.mark.soak
@settings(max_examples=10_000, deadline=5000, suppress_health_check=SLOW)
@given(DAMAGED)
def test_ten_thousand_damaged_archives_do(archive: bytes) -> None:
    survives(archive)
