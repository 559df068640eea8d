"""What the report says of each run: from files as stages write them, and where one is missing or broken."""

import json

import pytest

from pipeline.applications import taken

RUN = {
    "stage": "train",
    "began": "2026-03-01T12:30:05+00:00",
    "attempts": ["2026-03-01T12:30:05+00:00"],
    "seconds": 5025.4,
    "processor_seconds": 9000.0,
    "peak_memory": 1_900_000_000,
    "peak_accelerator_memory": None,
    "processes": 1,
    "revision": "main@1a2b3c4-dirty",
    "wandb_id": "0a1b2c3d4e5f",
    "images_before": 0,
    "environment": {"processor": "Abacus 9000", "cores": "16", "accelerator": "none"},
}


def test_a_row_says_when_where_from_what_and_how_long():
    row, total = taken.rows({"train": RUN})
    assert row.says == [
        "2026-03-01 12:30 UTC · main@1a2b3c4-dirty",
        "Abacus 9000, 16 cores",
        "W&B 0a1b2c3d4e5f",
    ]
    assert (row.time, row.processor, row.memory) == ("1 h 23 min", "2 h 30 min", "1.9 GB")
    assert total == taken.Taken("together", [], "1 h 23 min", "2 h 30 min", "1.9 GB")


def test_together_times_are_added_and_the_largest_memory_is_told():
    small = RUN | {"seconds": 34.6, "processor_seconds": 59.6, "peak_memory": 450_000_000}
    *_, total = taken.rows({"prepare": small, "train": RUN})
    assert (total.time, total.processor, total.memory) == ("1 h 24 min", "2 h 31 min", "1.9 GB")


def test_accelerator_and_processes_are_told_where_there_are_some():
    fast = RUN["environment"] | {"accelerator": "Loom X1"}
    row, _ = taken.rows(
        {"train": RUN | {"environment": fast, "processes": 2, "peak_accelerator_memory": 31_000_000_000}}
    )
    assert row.says[1] == "Abacus 9000, 16 cores, Loom X1, 2 processes"
    assert row.memory == "1.9 GB + 31.0 GB"


def test_a_stage_that_was_stopped_and_went_on_says_so():
    before = "2026-02-28T23:59:00+00:00"
    row, _ = taken.rows({"train": RUN | {"attempts": [before, RUN["began"]], "images_before": 64_000}})
    assert row.says[-1].replace("\N{NARROW NO-BREAK SPACE}", " ") == (
        "try 2, begun first at 2026-02-28 23:59 UTC and went on from 64 000 images: the figures are of this try alone"
    )


def test_a_run_without_wandb_says_so():
    assert "not in W&B" in taken.rows({"train": RUN | {"wandb_id": None}})[0].says


def test_a_stage_that_nothing_is_known_of_says_so_and_is_not_counted():
    absent, _, total = taken.rows({"prepare": None, "train": RUN})
    assert absent.says[0].startswith("unknown: results/prepare/run.json is not here")
    assert absent.time == ""
    assert (total.says, total.time) == (["of the 1 that are known"], "1 h 23 min")
    assert taken.rows({"prepare": None}) == []


@pytest.mark.parametrize("text", [None, "{", "[]", '{"began": "2026"}'])
def test_a_file_that_is_missing_or_broken_is_none(tmp_path, text):
    file = tmp_path / "run.json"
    if text is not None:
        file.write_text(text)
    assert taken.recorded(file) is None


def test_a_file_is_read(tmp_path):
    (tmp_path / "run.json").write_text(json.dumps(RUN))
    assert taken.recorded(tmp_path / "run.json") == RUN


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (12, "12 s"), (59.6, "1 min 0 s"), (754, "12 min 34 s"), (3599.7, "1 h 0 min")]
)
def test_a_time_has_its_two_largest_units(seconds, said):
    assert taken.duration(seconds) == said
