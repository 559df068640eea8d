"""From a source to shards, an index and a list of rejects: nothing is lost on the way."""

import numpy as np
import pyarrow.parquet as pq
from pipeline.datasets.catalogue import statistics, write

from pipeline.datasets.faces import Face, Reject
from pipeline.datasets.shards import Faces


def face(identity, split, shade):
    image = np.full((32, 32, 3), shade, np.uint8)
    return Face(image, identity, split, f"{shade}.jpg", np.arange(10, dtype=np.float32).reshape(5, 2))


SOURCE = [
    face("a/b", "train", 1),
    Reject("broken.jpg", "unreadable", "cannot be decoded"),
    face("Zoë", "test", 2),
    face("a/b", "train", 3),
]


def test_every_face_and_every_reject_is_there_again(tmp_path):
    rejects = write(iter(SOURCE), tmp_path)
    faces = Faces(tmp_path)
    assert [int(image[0, 0, 0]) for image in faces.images(range(3))] == [1, 2, 3]
    assert list(faces.column("identity")) == ["a/b", "Zoë", "a/b"]
    assert list(faces.column("source")) == ["1.jpg", "2.jpg", "3.jpg"]
    assert rejects == [SOURCE[1]]
    assert pq.read_table(tmp_path / "rejects.parquet").to_pylist() == [SOURCE[1]._asdict()]


def test_no_reject_leaves_an_empty_list_with_its_columns(tmp_path):
    write(iter(SOURCE[:1]), tmp_path)
    table = pq.read_table(tmp_path / "rejects.parquet")
    assert table.num_rows == 0
    assert table.column_names == list(Reject._fields)


def test_statistics_count_by_split_and_reason(tmp_path):
    rejects = write(iter(SOURCE), tmp_path)
    numbers = statistics(Faces(tmp_path), rejects)
    assert numbers["prepare/images"] == 3
    assert numbers["prepare/people"] == 2
    assert numbers["prepare/images/train"] == 2
    assert numbers["prepare/people/train"] == 1
    assert numbers["prepare/images/judge"] == 0
    assert numbers["prepare/rejects"] == numbers["prepare/rejects/unreadable"] == 1
