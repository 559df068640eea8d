"""The page says what was measured and what was not, stands alone and fits a telephone. Made-up numbers."""

import base64
import html
import io
import json
import re
import subprocess

import numpy as np
import pytest
from PIL import Image, ImageColor

from pipeline.applications import report
from pipeline.errors import UserError
from tests.applications.test_taken import RUN

PARAMS = {
    "data": {"source": ["rendered"], "image_size": 64, "rendered": {"people": {"train": 300}}},
    "train": {"images": 480_000, "batch_size": 48},
}
ENVIRONMENT = {"git": "main@1a2b3c4", "processor": "Abacus 9000", "torch": "2.13.0", "accelerator": "none"}
REST = (
    "identity/top5",
    "identity/several_top1",
    "identity/tar_at_far_1e-2",
    "identity/tar_at_far_1e-3",
    "identity/eer",
    "identity/auc",
)
REST += ("truth/feature_distance", *(f"realism/{name}" for name in ("kd_judge", "precision", "recall")))
METRICS = {
    "prepare": {"prepare/images": 14400.0, "prepare/rejects": 3.0, "prepare/rejects/no_face": 3.0},
    "judge": {"judge/top1_val": 0.95, "judge/yaw_error": 4.0},
    "evaluate": dict.fromkeys((*REST, "realism/density", "realism/coverage"), 0.5)
    | {
        "attributes/background_brightness_error": 0.33,
        "attributes/background_brightness_error_unrelated": 0.30,
        "attributes/yaw_error": 8.0,
        "attributes/yaw_error_unrelated": 32.0,
        "identity/cosine_sample": 0.08,
        "identity/cosine_subject": 0.61,
        "identity/cosine_unrelated": -0.02,
        "identity/top1": {"value": 0.8333, "low": 0.7901, "high": 0.8712, "n": 768},
        "identity/top1_real": {"value": 0.94, "low": 0.92, "high": 0.96, "n": 528},
        "identity/top1_sample": 0.0208,
        "not_measured": {"realism/fid": ["evaluate.inception is off"]},
        "realism/fd_judge": 88.31,
        "realism/images": 768,
        "realism/images_real": 768,
        "truth/psnr": 21.43,
        "truth/psnr_sample": 14.81,
        "truth/psnr_mean_face": 14.22,
        "truth/ssim": 0.748,
    },
}


@pytest.fixture
def make(tmp_path):
    """Builds a page from made-up results, with changes."""
    noise = np.random.default_rng(0).integers(0, 255, (7 * 64, 8 * 64, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "grid.png")
    rows = [f"{48 * i},{5 / i:.6g},{'' if i % 10 else 0.5}" for i in range(1, 1001)]
    curve = "\n".join(["images,train/L_GR_same,train/top1_val", *rows]) + "\n"
    (tmp_path / "curve.csv").write_text(curve)

    def build(**changes) -> str:
        parts = {
            "title": "Recombined faces",
            "params": PARAMS,
            "metrics": METRICS,
            "curves": {"train": tmp_path / "curve.csv"},
            "pictures": {"A row a person": tmp_path / "grid.png", "What came in": tmp_path / "grid.png"},
            "environment": ENVIRONMENT,
        }
        return report.build(**parts | changes)

    return build


def text(page: str) -> str:
    """What a reader sees, in one line."""
    visible = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.DOTALL)
    return " ".join(html.unescape(visible).split())


def evaluated(**changes) -> dict:
    """The metrics with another evaluation; None removes a key."""
    results = {k: v for k, v in (METRICS["evaluate"] | changes).items() if v is not None}
    return METRICS | {"evaluate": results}


def test_the_page_begins_with_the_result_in_a_sentence(make):
    page = text(make())
    assert "Of a hundred synthesized faces of people never seen in training, 83 are taken for the subject" in page
    assert "Of a hundred real images of the same people, 94 are." in page
    assert "0.886 of what real images reach, 0.940" in page


def test_a_number_stands_with_its_interval(make):
    assert "0.833 0.790 to 0.871" in text(make())


def test_the_model_stands_among_systems_whose_scores_are_known(make):
    controls = {"copy_sample": {"identity/top1": 0.0031, "identity/top1_sample": 0.9712}, "of_tomorrow": {}}
    page = make(controls=controls)
    rows = [text(row) for row in re.findall(r"<tr.*?</tr>", page.partition("<h2>Controls</h2>")[2], flags=re.DOTALL)]
    assert rows[1].startswith("the model 0.833 0.790 to 0.871 0.021")
    assert rows[2].startswith("the sample given back 0.003 0.971 –")
    assert rows[3].startswith("of_tomorrow – –")
    assert "Controls" not in text(make())


def test_a_number_stands_between_what_the_mean_face_and_what_real_images_or_true_answers_reach(make):
    controls = {
        "mean_face": {"identity/top1": 0.0208, "identity/eer": 0.5, "realism/fd_judge": 408.2},
        "truth": {"identity/top1": 0.99, "realism/fd_judge": {"value": 5.46, "low": 4.74, "high": 6.18}},
    }
    page = text(make(controls=controls))
    assert "0.833 0.790 to 0.871 0.940 0.021 top5" in page
    assert "less is better 0.500 0.500 auc" in page
    assert "value the true answers the mean face" in page
    assert "less is better 88.3 5.46 408 realism/kd_judge" in page
    alone = text(make())
    assert "mean face" not in alone.partition("Attributes")[0]
    assert "the true answers" not in alone


def test_the_truth_is_told_by_parts_beside_what_anybody_could_give(make):
    parts = {"truth/psnr_eyes": {"value": 18.62, "low": 18.0, "high": 19.1, "n": 768}, "truth/psnr_mouth": 20.5}
    page = text(make(metrics=evaluated(**parts, **{"truth/ms_ssim": 0.61})))
    assert "the face its eyes its mouth the sample given back the mean face" in page
    assert "more is better 21.4 18.6 18 to 19.1 20.5 14.8 14.2" in page
    assert "at several scales 0.610 – – – –" in page


def test_applications_stand_beside_what_they_are_compared_with(make):
    uses = {"applications/frontalization_top1": 0.955, "applications/frontalization_top1_before": 0.996}
    page = text(make(metrics=evaluated(**uses, **{"applications/performance_flicker": 0.62})))
    applications = page.partition("Applications")[2]
    assert "taken for their person 0.955 as they are 0.996" in applications
    assert "of the true frames 0.620" in applications
    assert "Applications" not in text(make())


def test_a_judge_that_took_part_is_named_in_the_first_sentence(make):
    own = {f"{k}_by_I" if k.startswith("identity/") else k: v for k, v in METRICS["evaluate"].items()}
    page = text(make(metrics=METRICS | {"evaluate": own}))
    assert "83 are taken for the subject by I, which took part in training the generator and flatters it ." in page
    assert "took no part" not in page


def test_what_gives_a_face_away_stands_beside_what_would_be_perfect(make):
    leaks = {"uncanniness/auc": 0.97, "disentanglement/identity_from_z": 0.18, "disentanglement/identity_chance": 0.02}
    probes = {
        f"disentanglement/yaw_{source}_error": e
        for source, e in (("from_z", 4.0), ("from_f_I", 21.0), ("chance", 22.0))
    }
    page = text(make(metrics=evaluated(**leaks, **probes), controls={"truth": {"uncanniness/auc": 0.51}}))
    assert "1 always 0.970 the true answers 0.510" in page
    assert "by a line 0.180 chance 0.020" in page
    assert "yaw 4 21 22" in page
    assert "What shows" not in text(make())


def test_curves_of_the_evaluation_are_drawn(make, tmp_path):
    (tmp_path / "roc.csv").write_text("log10_false_accept,synthesized,real\n-3,0.5,0.9\n0,1,1\n")
    page = make(plots=tmp_path)
    assert "True accept rate" in text(page)
    assert "0.500 to 1 ; x from -3 to 0" in text(page)
    assert page.count('<path class="line') == 2
    assert "Error of yaw" not in page


def test_groups_stand_with_their_gap(make):
    gap = {"value": 0.1, "low": -0.05, "high": 0.2, "n": 9}
    groups = {
        "skin/dark": {"identity/top1": 0.9},
        "skin/light": {"identity/top1": 1.0},
        "skin/gap": {"identity/top1": gap},
    }
    page = text(make(groups=groups))
    none = " –" * 7
    assert f"skin/dark 0.900{none} skin/light 1{none} skin/gap 0.100 -0.050 to 0.200" in page
    assert "identity/top1 0.900 1 0.100" in page.partition("Every figure of every group")[2]


def test_cases_by_other_metrics_are_folded_with_their_families_together(make, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), dtype=np.uint8)
    names = ("yaw_error", "ssim", "cosine_sample", "background_brightness_error")
    for name in names:
        Image.fromarray(noise).save(tmp_path / f"cases_{name}.png")
    page = make(cases=[tmp_path / f"cases_{name}.png" for name in names])
    folded = page.partition("The worst four and the best four")[2].partition("</details>")[0]
    keys = ["attributes/background_brightness_error", "attributes/yaw_error", "identity/cosine_sample", "truth/ssim"]
    assert re.findall(r'<figcaption class="key">(.*?)<', folded) == keys
    drawn = [base64.b64decode(data) for data in re.findall(r"data:image/jpeg;base64,([^\"]+)", folded)]
    assert len(drawn) == 4
    for data in drawn:
        with Image.open(io.BytesIO(data)) as image:
            assert image.size == (64, 64)
            assert np.abs(np.asarray(image).astype(int) - noise).mean() < 16  # of noise, which is hardest to keep
    assert "The worst four" not in make()


@pytest.mark.parametrize("value", ["0.833", "0.021", "0.610", "-0.020", "21.4", "0.748", "88.3", "0.250", "1.10"])
def test_each_number_stands_on_it(make, value):
    assert value in text(make())


def test_it_names_data_params_code_and_machine(make):
    page = text(make())
    for fact in ("14 400", "rejects/no_face 3", "rendered.people.train 300", "main@1a2b3c4", "Abacus 9000"):
        assert fact.replace(" ", " ") in page.replace("\N{NARROW NO-BREAK SPACE}", " ")


def test_the_same_results_make_the_same_page(make):
    assert make() == make()


def test_a_picture_that_has_not_been_made_is_named_with_what_makes_it(tmp_path):
    with pytest.raises(UserError, match=r"grid.png is not there; make it with `dvc repro`"):
        report.picture("Recombinations", tmp_path / "grid.png")


def test_it_needs_no_other_file(make):
    page = make()
    addresses = re.findall(r"""(?:src|href|action|data|poster)=["']([^"']*)""", page)
    assert len(addresses) == 3
    assert all(address.startswith("data:") for address in addresses)
    assert not re.search(r"https?:|<script|@import|url\(", re.sub(r"data:[^\"]*", "", page))


def test_where_fid_was_not_measured_it_says_how_to_get_it(make):
    page = text(make())
    assert "FID would stand here" in page
    assert "python -m pipeline fetch inception dvc exp run -S evaluate.inception=on" in page


def test_a_measured_fid_stands_in_its_place(make):
    page = text(make(metrics=evaluated(**{"realism/fid": 31.7, "realism/kid": 0.02, "not_measured": None})))
    assert "31.7" in page
    assert "FID would stand here" not in page
    assert "not measured" not in page.lower()


def test_what_was_not_measured_is_listed_by_reason(make):
    absent = {"truth/psnr": ["no known truth"], "truth/ssim": ["no known truth"], "realism/fid": ["`off`"]}
    page = make(metrics=evaluated(**{"truth/psnr": None, "truth/ssim": None, "not_measured": absent}))
    assert "truth/psnr truth/ssim no known truth" in text(page)
    assert "<code>off</code>" in page


def test_photographs_without_known_attributes_make_a_page_too(make):
    results = {k: v for k, v in METRICS["evaluate"].items() if not k.startswith(("attributes/", "truth/"))}
    page = text(make(metrics={"evaluate": results}, curves={}, pictures={}))
    assert "Attributes Not measured." in page


def test_a_model_of_rendered_heads_warns_of_photographs(make):
    photos = PARAMS | {"data": PARAMS["data"] | {"source": ["photos"]}}
    assert "does badly on photographs" in text(make())
    assert "does badly on photographs" not in text(make(params=photos))


def test_names_from_outside_are_text_and_no_markup(make):
    assert "<b>&" not in make(title="<b>&", environment={"git": "<b>&"})


def test_every_metric_of_every_system_is_there_for_who_looks():
    model = {
        "identity/top1": {"value": 0.9, "low": 0.8, "high": 1.0, "n": 9},
        "truth/psnr": 20.0,
        "not_measured": {"x": ["y"]},
    }
    every = report.every_row({"model": model, "truth": {"truth/psnr": 99.0}})
    assert every["systems"] == ["model", "truth"]
    assert every["rows"] == {"identity/top1": [0.9, None], "truth/psnr": [20.0, 99.0]}


def test_attributes_are_sorted_by_how_well_they_are_followed():
    rows = report.attribute_rows(METRICS["evaluate"], METRICS["judge"])
    assert rows == [
        report.AttributeRow("yaw", 8.0, 32.0, 4.0, 0.25),
        report.AttributeRow("background_brightness", 0.33, 0.30, None, pytest.approx(1.1)),
    ]


def test_what_the_judge_cannot_read_comes_last_and_is_said_to_be_unreadable():
    errors = {"blink_error": 0.1, "blink_error_unrelated": 1.0, "yaw_error": 0.5, "yaw_error_unrelated": 1.0}
    results = {f"attributes/{name}": value for name, value in errors.items()}
    known = report.attribute_rows(results | {"attributes/yaw_error_real": 0.7}, {"judge/yaw_error": 0.3})
    assert {row.name: row.judge for row in known}["yaw"] == 0.7  # of the people that the page is about
    rows = report.attribute_rows(results, {"judge/blink_error": 0.31, "judge/yaw_error": 0.3})
    assert [(row.name, row.readable) for row in rows] == [("yaw", True), ("blink", False)]


def test_a_bar_is_as_long_as_its_number_and_a_negative_one_has_no_length():
    bars = {bar.name: bar for bar in report.identity_bars(report.numbers(METRICS["evaluate"]), {})}
    assert (bars["top1"].share, bars["top1"].ceiling) == (0.8333, 0.94)
    assert bars["cosine_subject"].ceiling is None
    assert (bars["cosine_unrelated"].share, bars["cosine_unrelated"].value) == (0, -0.02)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0.83333, "0.833"),
        (1.0, "1"),
        (1.26, "1.26"),
        (21.43, "21.4"),
        (151.35, "151"),
        (14400.0, "14\N{NARROW NO-BREAK SPACE}400"),
        (0.0001, "1.0e-04"),
        (0.0, "0"),
        (-0.0123, "-0.012"),
        (float("nan"), "nan"),
    ],
)
def test_numbers_have_three_digits_that_count(value, shown):
    assert report.number(value) == shown


VALIDATION = """images,val/own_sample,val/own_subject,val/own_unrelated,val/psnr
50,0.4,0.1,0.02,14
100,0.06,0.55,0.01,19
"""


@pytest.fixture
def validated(tmp_path):
    """What a training that was watched leaves for the page."""
    (tmp_path / "validation.csv").write_text(VALIDATION)
    for images in (1000, 2000, 3000, 4000, 5000, 92_000):
        Image.new("RGB", (8, 8), (images % 251, 0, 0)).save(tmp_path / f"{images:09d}.png")
    return {"validation": tmp_path / "validation.csv", "grids": list(tmp_path.glob("0*.png"))}


def test_one_chart_shows_whether_a_swap_happens(make, validated):
    page = make(**validated)
    assert "Is a swap happening?" in text(page)
    assert "the subject 0.550 the sample's person 0.060 anyone else 0.010" in text(page)
    assert page.count('<path class="own_') == 3
    assert "psnr 19" in text(page)


def test_the_first_some_middle_and_the_last_picture_of_the_training_are_shown(make, validated):
    page = make(**validated).replace("\N{NARROW NO-BREAK SPACE}", " ")
    assert re.findall(r'alt="after ([\d ]+) images"', page) == ["1 000", "3 000", "4 000", "92 000"]


def test_a_training_that_nobody_watched_makes_a_page_without(make):
    assert "swap happening" not in text(make())


@pytest.fixture
def runs():
    """Of one stage nothing is known; of another more than of most: it was stopped, went on, and has an accelerator."""
    fast = {"environment": RUN["environment"] | {"accelerator": "Loom X1"}, "peak_accelerator_memory": 31_000_000_000}
    return {"prepare": None, "train": RUN | fast | {"attempts": [RUN["began"]] * 2, "images_before": 64_000}}


def test_what_each_stage_took_stands_on_it_and_what_is_not_known_too(make, runs):
    page = text(make(runs=runs))
    assert "prepare – – – unknown: results/prepare/run.json is not here" in page
    assert "train 1 h 23 min 2 h 30 min 1.9 GB + 31.0 GB 2026-03-01 12:30 UTC · main@1a2b3c4-dirty Abacus 9000" in page
    assert "W&B 0a1b2c3d4e5f" in page
    assert "together 1 h 23 min 2 h 30 min 1.9 GB + 31.0 GB of the 1 that are known" in page
    assert "Taken" not in text(make())
    assert "Taken" not in text(make(runs={"train": None}))


@pytest.mark.parametrize("command", ["dvc repro", "pipeline compare", "pipeline recombine", "pipeline demo"])
def test_it_says_what_can_be_done_next(make, command):
    assert command in text(make()).partition("Made with")[2]


LOOK = """<!doctype html><iframe id="page" width="{width}" height="900" srcdoc="{page}"></iframe><script>
onload = () => {{
  const page = document.getElementById("page").contentWindow
  document.title = JSON.stringify({{
    width: page.innerWidth,
    content: page.document.documentElement.scrollWidth,
    requests: page.performance.getEntriesByType("resource").length,
    pictures: [...page.document.images].map(image => image.naturalWidth),
  }})
}}
</script>"""
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --hide-scrollbars --enable-logging=stderr"
)


@pytest.fixture
def look(tmp_path, chromium):
    """Shows a page to Chromium in a frame of some width; what it says of it, and its console."""

    def show(page: str, width: int) -> tuple[dict, list[str]]:
        path = tmp_path / "look.html"
        path.write_text(LOOK.format(width=width, page=html.escape(page)))
        command = [chromium, *FLAGS.split(), "--dump-dom", f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
        seen = subprocess.run(command, capture_output=True, text=True, timeout=60)
        title = re.search(r"<title>(.*?)</title>", seen.stdout)
        assert title, seen.stderr
        console = [line for line in seen.stderr.splitlines() if "CONSOLE" in line]
        return json.loads(html.unescape(title[1])), console

    return show


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_at_any_width_without_asking_for_anything(make, validated, runs, look, width):
    seen, console = look(make(**validated, runs=runs), width)
    assert seen == {"width": width, "content": width, "requests": 0, "pictures": [512, 512, 8, 8, 8, 8]}
    assert console == []


@pytest.fixture
def photograph(tmp_path, chromium):
    """A screenshot of the top of a page, as wide as a window or a telephone, by day or by night."""

    def take(page: str, width: int, *, dark: bool) -> Image.Image:
        path, shot = tmp_path / "page.html", tmp_path / f"{width}-{dark}.png"
        path.write_text(page)
        scheme = f"--blink-settings=preferredColorScheme={0 if dark else 1}"
        options = [scheme, f"--window-size={width},900", f"--screenshot={shot}"]
        command = [chromium, *FLAGS.split(), *options, f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
        subprocess.run(command, capture_output=True, timeout=60, check=True)
        with Image.open(shot) as image:
            return image.convert("RGB")

    return take


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_screenshot_has_something_to_read_by_day_and_by_night(make, validated, runs, photograph, width):
    page = make(**validated, runs=runs)
    by_day, by_night = (ImageColor.getrgb(paper) for paper in re.findall(r"--paper: (#\w+)", page))
    assert min(by_day) > 200 > 50 > max(by_night)
    for paper, dark in ((by_day, False), (by_night, True)):
        shot = photograph(page, width, dark=dark)
        assert shot.size == (width, 900)
        assert shot.getpixel((2, 2)) == paper
        printed = np.any(np.asarray(shot) != paper, axis=2)
        assert 0.02 < printed.mean() < 0.9
        assert printed.any(axis=1).sum() > 300, "lines from the top to the bottom"


@pytest.mark.browser
def test_the_browser_would_tell(make, look):
    wrong = '<div style="width: 999px">wide</div><img src="http://127.0.0.1:9/x.png"></main>'
    seen, console = look(make().replace("</main>", wrong), 390)
    assert seen["content"] > 390
    assert "Content Security Policy" in console[0]
