"""`prepare` on photographs as they should not be handed over: what becomes of each."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest

from pipeline.datasets.faces import Cut
from pipeline.datasets.photographs.cutting import subject_face
from pipeline.datasets.photographs.detection import yunet
from tests.stages.conftest import Result

pytestmark = [pytest.mark.slow, pytest.mark.shared]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gina/zero.jpg", "empty"),
        ("gina/truncated.jpg", "damaged"),
        ("gina/text.jpg", "not_an_image"),
        ("gina/huge.png", "too_large"),
        ("gina/plain.png", "no_face"),
        ("gina/pipe.jpg", "not_an_image"),
        ("gina/holiday", "folder_in_a_person_folder"),
        ("gina/ring", "folder_in_a_person_folder"),
        ("gina/leaves.jpg", "outside"),
        ("gina/self.jpg", "unreadable"),
        ("gina/there.jpg", "unreadable"),
        ("gina/back.jpg", "unreadable"),
        ("gina/dangling.jpg", "unreadable"),
        ("loose.jpg", "not_in_a_person_folder"),
        ("una/alone.jpg", "few_images"),
    ],
)
def test_what_gives_no_face_is_listed_with_its_reason(result: Result, name: str, reason: str) -> None:
    assert result.rejects[f"photos/{name}"][0] == reason
    assert result.rejects[f"photos/{name}"][1]
    assert f"photos/{name}" not in result.used


def test_one_bad_file_does_not_cost_the_person_the_good_ones(result: Result) -> None:
    assert {name for name in result.used if name.startswith("photos/gina/")} == {
        "photos/gina/neutral.jpg",
        "photos/gina/smiling.jpg",
    }


@pytest.mark.parametrize(
    "name", ["jpeg.png", "two\nlines.jpg", 'it\'s "quoted", so.jpg', "  spaces  .jpg", "caf\\xe9.jpg"]
)
def test_whatever_a_photograph_is_called_it_is_used(result: Result, name: str) -> None:
    row = result.used[f"photos/hugo/{name}"]
    assert row["identity"] == "photos/hugo"
    assert row["source"].encode("utf-8")  # no surrogates
    file = os.fsencode(result.crowd.folder / "hugo") + b"/" + name.encode().replace(rb"\xe9", b"\xe9")
    assert row["source_sha256"] == hashlib.sha256(Path(os.fsdecode(file)).read_bytes()).hexdigest()


@pytest.mark.parametrize("name", ['O\'Brien\n"Bo"', "Ren\\xe9"])
def test_whatever_a_person_is_called_they_are_used(result: Result, name: str) -> None:
    for picture in ("neutral.jpg", "smiling.jpg"):
        assert result.used[f"photos/{name}/{picture}"]["identity"] == f"photos/{name}"


def test_a_copy_within_a_person_goes_and_the_first_stays(result: Result) -> None:
    assert result.rejects["photos/kim/z exact.jpg"] == ("copy", "the same file as photos/kim/neutral.jpg")
    assert result.rejects["photos/kim/z again.jpg"] == ("copy", "nearly the same picture as photos/kim/smiling.jpg")
    assert {"photos/kim/neutral.jpg", "photos/kim/smiling.jpg"} <= set(result.used)


@pytest.mark.parametrize(
    ("copy", "how", "original"),
    [
        ("ola/z exact.jpg", "the same file as", "ada/neutral.jpg"),
        ("ola/z again.jpg", "nearly the same picture as", "bob/smiling.jpg"),
        ("carl/z again.jpg", "nearly the same picture as", "emma/smiling.jpg"),
    ],
)
def test_a_copy_in_another_split_goes_from_the_less_protected_one(
    result: Result, copy: str, how: str, original: str
) -> None:
    reason, detail = result.rejects[f"photos/{copy}"]
    assert reason == "copy_across_splits"
    assert detail.startswith(f"{how} photos/{original}")
    assert f"photos/{original}" in result.used


def test_a_photograph_of_two_people_of_a_split_stays_with_both_and_is_listed(result: Result) -> None:
    one, other = "photos/ron/z party.jpg", "photos/sue/z party.jpg"
    assert {one, other} <= set(result.used)
    told = {(row["source"], row["copy_of"], row["copy_of_identity"], row["exact"]) for row in result.copies}
    assert told == {(one, other, "photos/sue", True), (other, one, "photos/ron", True)}


@pytest.mark.parametrize("name", ["cmyk.jpg", "turned.jpg"])
def test_however_a_photograph_is_stored_its_crop_is_the_same(result: Result, models: Path, name: str) -> None:
    detect = yunet(models / "face_detection_yunet_2023mar.onnx", 0.7)
    expected = subject_face(result.crowd.originals[name], detect, Cut(64, 0.0, "largest")).image
    crop = result.crop(f"photos/quin/{name}")
    # In levels of 255. Four inks hold a little less colour; turning moves the landmarks by parts of a pixel.
    assert np.abs(crop.astype(float) - expected).mean() < 4
    for turns in (1, 2, 3):
        assert np.abs(np.rot90(crop, turns).astype(float) - expected).mean() > 20


def test_a_grey_photograph_gives_a_grey_crop(result: Result) -> None:
    crop = result.crop("photos/quin/grey.jpg").astype(int)
    assert np.ptp(crop, axis=2).max() == 0
    assert np.ptp(crop) > 100


def test_an_archive_is_read_as_far_as_it_goes_and_nothing_of_it_is_written(result: Result) -> None:
    assert result.rejects["unlabelled/cut.tar"][0] == "damaged"
    unlabelled = {name for name, row in result.used.items() if row["split"] == "unlabelled"}
    members = {"cut.tar/first.jpg", "evil.tar/../../evil.jpg", "evil.tar/good.jpg", "loose.jpg"}
    assert unlabelled == {f"unlabelled/{name}" for name in members}
    assert not any("evil.jpg" in files for _, _, files in os.walk(result.project.parent))
