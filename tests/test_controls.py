"""Systems whose score is known before land where they must in the committed evaluation (docs/evaluation.md)."""

import json
from pathlib import Path

import pytest

RESULTS = Path(__file__).parent.parent / "results/evaluate"
MODEL = json.loads((RESULTS / "metrics.json").read_text())
CONTROLS = json.loads((RESULTS / "controls.json").read_text())
POINTS = 0.02  # two points: as much as chance may move a share of some hundred pairs
READABLE = [  # attributes that the judge itself reads on real images
    name
    for name in (
        key.removesuffix("_error") for key in MODEL if key.startswith("attributes/") and key.endswith("_error")
    )
    if MODEL[f"{name}_error_real"]["value"] <= 0.3 * MODEL[f"{name}_error_unrelated"]["value"]
]


def value(system: str, name: str) -> float:
    return CONTROLS[system][name]["value"]


def overlap(a: dict[str, float], b: dict[str, float], slack: float = 0.0) -> bool:
    return a["low"] <= b["high"] + slack and b["low"] <= a["high"] + slack


CEILING = MODEL["identity/top1_real"]


def test_there_is_something_that_the_judge_can_read():
    assert CEILING["value"] >= 0.9
    wanted = ("yaw", "pitch", "light_azimuth", "glasses", "mouth_open")
    assert {f"attributes/{name}" for name in wanted} <= set(READABLE)


@pytest.mark.parametrize("system", ["truth", "another_photograph", "copy_subject"])
def test_what_shows_the_subject_reaches_what_real_photographs_reach(system):
    assert overlap(CONTROLS[system]["identity/top1"], CEILING, POINTS)
    assert value(system, "identity/top1_sample") <= POINTS


def test_the_truth_lies_within_two_points_of_the_ceiling():
    assert abs(value("truth", "identity/top1") - CEILING["value"]) <= POINTS


def test_the_sample_given_back_is_the_sample():
    assert value("copy_sample", "identity/top1") <= POINTS
    assert overlap(CONTROLS["copy_sample"]["identity/top1_sample"], CEILING, POINTS)
    assert value("copy_sample", "identity/eer") > 0.45


def test_the_true_answer_for_somebody_else_shows_neither():
    assert value("truth_of_another", "identity/top1") <= POINTS
    assert value("truth_of_another", "identity/top1_sample") <= POINTS


@pytest.mark.parametrize("system", ["truth", "copy_sample", "truth_of_another"])
@pytest.mark.parametrize("name", READABLE)
def test_what_follows_the_sample_has_the_judges_own_error(system, name):
    own = CONTROLS[system][f"{name}_error_real"]
    assert overlap(CONTROLS[system][f"{name}_error"], own, 0.1 * own["value"])


@pytest.mark.parametrize("system", ["another_photograph", "copy_subject"])
@pytest.mark.parametrize("name", READABLE)
def test_what_does_not_follow_the_sample_has_the_error_of_anybody(system, name):
    assert 0.8 <= value(system, f"{name}_error") / value(system, f"{name}_error_unrelated") <= 1.25


@pytest.mark.parametrize("part", ["", "_eyes", "_mouth"])
def test_the_truth_is_true_in_every_part_and_a_third_person_in_none(part):
    assert value("truth", f"truth/psnr{part}") == 100
    assert value("truth", f"truth/ssim{part}") == pytest.approx(1)
    assert value("truth", f"truth/feature_distance{part}") == pytest.approx(0, abs=1e-5)
    blurred, another = (CONTROLS[name] for name in ("truth_blurred", "truth_of_another"))
    assert blurred[f"truth/psnr{part}"]["low"] > another[f"truth/psnr{part}"]["high"]
    assert blurred[f"truth/feature_distance{part}"]["high"] < another[f"truth/feature_distance{part}"]["low"]


def test_blur_costs_truth_and_realism_and_hardly_any_identity():
    assert value("truth_blurred", "truth/psnr") < value("truth", "truth/psnr") - 10
    assert value("truth_blurred", "realism/fd_judge") > value("truth", "realism/fd_judge")
    assert value("truth_blurred", "identity/top1") >= value("truth", "identity/top1") - POINTS


@pytest.mark.parametrize("system", ["truth", "truth_of_another", "copy_sample"])
def test_renderings_and_photographs_are_as_real_as_photographs(system):
    assert value(system, "realism/precision") > 0.9
    assert value(system, "realism/coverage") > 0.9
    kernel = CONTROLS[system]["realism/kd_judge"]
    assert kernel["low"] <= 0.03
    assert kernel["high"] >= -0.03


def test_one_face_for_all_covers_nothing():
    assert value("mean_face", "realism/coverage") <= POINTS
    assert value("mean_face", "realism/fd_judge") > 5 * MODEL["realism/fd_judge"]["value"]


@pytest.mark.parametrize("answer", ["sample", "subject", "mean_face", "nearest_training_image"])
def test_what_anyone_could_answer_is_far_from_the_truth(answer):
    assert MODEL[f"truth/psnr_{answer}"]["high"] < value("truth_blurred", "truth/psnr")


@pytest.mark.parametrize("region", ["", "_eyes", "_mouth"])
def test_a_fresh_classifier_sees_blur_and_nothing_in_the_true_answers(region):
    assert abs(value("truth", f"uncanniness/auc{region}") - 0.5) < 0.06
    assert value("truth_blurred", f"uncanniness/auc{region}") > 0.9


def test_a_training_image_is_a_copy_and_a_new_photograph_is_as_seldom_one_as_others():
    assert value("nearest_training_image", "memorisation/copies") == 1
    assert overlap(CONTROLS["copy_sample"]["memorisation/copies"], MODEL["memorisation/copies_real"])


def test_probes_read_what_is_there_and_nothing_from_the_wrong_code():
    def read(name):
        return MODEL[f"disentanglement/{name}"]["value"]

    assert read("identity_from_f_I") > 0.9
    assert read("yaw_from_z_error") < 0.5 * read("yaw_chance_error")
    assert read("yaw_from_f_I_error") > 0.9 * read("yaw_chance_error")


def test_the_headline_says_what_the_metrics_say():
    headline = json.loads((RESULTS / "headline.json").read_text())
    assert {"identity/top1", "attributes/yaw_error", "truth/psnr"} <= set(headline)
    assert headline == {name: value["value"] for name, value in MODEL.items() if name in headline}
