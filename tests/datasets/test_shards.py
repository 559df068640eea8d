"""Shards: what goes in comes out, in any order; what is damaged is said; nothing half is left under a final name."""

import os
import tarfile

import numpy as np
import pytest

from pipeline.datasets import shards
from pipeline.datasets.shards import Faces, ShardError, ShardWriter


def images(n, size=8):
    return np.random.default_rng(0).integers(0, 256, (n, size, size, 3), dtype=np.uint8)


@pytest.fixture
def folder(tmp_path):
    with ShardWriter(tmp_path, "faces") as writer:
        for i, image in enumerate(images(5)):
            writer.add(f"k{i}", image, {"identity": f"p{i // 2}", "split": "test" if i < 2 else "train", "v": [i, 0.5]})
        writer.close()
    return tmp_path


def test_images_come_back_without_loss_in_any_order(folder):
    faces = Faces(folder)
    np.testing.assert_array_equal(faces.images([4, 0, 2]), images(5)[[4, 0, 2]])


def test_columns_and_splits(folder):
    faces = Faces(folder)
    assert faces.column("identity").tolist() == ["p0", "p0", "p1", "p1", "p2"]
    assert faces.of_split("test").tolist() == [0, 1]
    assert faces.column("v").shape == (5, 2)


def test_the_shard_is_a_tar_that_webdataset_would_read(folder):
    with tarfile.open(folder / "faces-00000.tar") as tar:
        assert tar.getnames() == [f"k{i}.png" for i in range(5)]
        data = tar.extractfile("k3.png").read()
    faces = Faces(folder)
    shard, offset, size = (faces.column(name)[3] for name in ("shard", "offset", "size"))
    raw = (folder / shard).read_bytes()
    assert raw[offset : offset + size] == data
    assert data[:4] == b"\x89PNG"


@pytest.mark.parametrize(("name", "size"), [("a.png", 0), ("train000000123.json", 511), ("x" * 100, 8**11 - 1)])
def test_headers_are_those_of_tarfile(name, size):
    member = tarfile.TarInfo(name)
    member.size = size
    assert shards._header(name, size) == member.tobuf(tarfile.USTAR_FORMAT)


@pytest.mark.parametrize(("name", "size"), [("x" * 101, 1), ("x", 8**11)])
def test_what_a_header_cannot_hold_is_refused(name, size):
    with pytest.raises(ValueError, match="tar member"):
        shards._header(name, size)


def test_many_images_fill_several_shards(tmp_path, monkeypatch):
    monkeypatch.setattr(shards, "SHARD_IMAGES", 2)
    with ShardWriter(tmp_path, "faces") as writer:
        for i, image in enumerate(images(5)):
            writer.add(f"k{i}", image, {})
        writer.close()
    assert sorted(p.name for p in tmp_path.glob("*.tar")) == [f"faces-0000{i}.tar" for i in range(3)]
    np.testing.assert_array_equal(Faces(tmp_path).images(range(5)), images(5))


def test_same_images_same_bytes(tmp_path):
    for name in "ab":
        with ShardWriter(tmp_path / name, "faces") as writer:
            writer.add("k", images(1)[0], {"identity": "p"})
            writer.close()
    for file in ("faces-00000.tar", "index.parquet"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_a_full_disk_leaves_no_half_shard_under_its_final_name(tmp_path):
    with pytest.raises(OSError, match="No space"), ShardWriter(tmp_path, "faces") as writer:  # noqa: PT012
        writer.add("k0", images(1)[0], {})
        with open("/dev/full", "wb", buffering=0) as full:
            os.dup2(full.fileno(), writer._tar._file.fileno())
        for i in range(1, 9):
            writer.add(f"k{i}", np.random.default_rng(i).integers(0, 256, (64, 64, 3), dtype=np.uint8), {})
    assert list(tmp_path.iterdir()) == []


def test_an_empty_folder_is_no_data_set(tmp_path):
    with pytest.raises(ValueError, match="no image"), ShardWriter(tmp_path, "faces") as writer:
        writer.close()
    with pytest.raises(ShardError, match="dvc repro prepare"):
        Faces(tmp_path)


@pytest.mark.parametrize("damage", [lambda data: b"PAR1 no", lambda data: data[:-30] + b"x" * 22 + data[-8:]])
def test_a_damaged_index_is_said(folder, damage):
    file = folder / "index.parquet"
    file.write_bytes(damage(file.read_bytes()))
    with pytest.raises(ShardError, match="damaged"):
        Faces(folder)


@pytest.mark.parametrize("damage", [lambda p: p.unlink(), lambda p: p.write_bytes(p.read_bytes()[:700])])
def test_a_missing_or_cut_shard_is_said(folder, damage):
    damage(folder / "faces-00000.tar")
    with pytest.raises(ShardError, match=r"faces-00000\.tar"):
        Faces(folder).image(4)


def test_an_empty_split_is_said(folder):
    with pytest.raises(ShardError, match="nobody in the split 'val'"):
        Faces(folder).of_split("val")
