"""What a prepared folder is said to hold; and that a damaged one is said to be damaged."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pipeline.datasets.building.statistics import as_text, describe
from pipeline.datasets.shards import ShardError
from tests.datasets.building.test_memory import merged, parts


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    merged(tmp_path, parts(tmp_path, 40))
    return tmp_path / "faces"


def test_people_and_images_are_counted(folder: Path) -> None:
    statistics = describe(folder)
    assert (statistics.numbers["prepare/images"], statistics.numbers["prepare/people"]) == (40, 2)
    assert statistics.splits["train"] == (40, 2)
    assert statistics.numbers["prepare/images_per_person/median"] == 20
    assert "train" in as_text(statistics)


@pytest.mark.parametrize("name", ["index", "rejects", "copies"])
def test_a_table_that_is_none_is_named(name: str, folder: Path) -> None:
    (folder / f"{name}.parquet").write_text("no table")
    with pytest.raises(ShardError, match=rf"{name}.parquet is damaged .*dvc repro"):
        describe(folder)


def test_an_index_of_another_kind_is_refused(folder: Path) -> None:
    table = pq.read_table(folder / "index.parquet")
    pq.write_table(table.drop_columns(["yaw"]), folder / "index.parquet")
    with pytest.raises(ShardError, match="its index has no yaw"):
        describe(folder)
