"""The page stands alone, says what the table says, and fits a telephone."""

import html
import json
import re
import subprocess

import pytest

from pipeline.applications.comparing import page
from pipeline.applications.comparing.experiment import Curve, Experiment, Measured, curves, flat
from pipeline.applications.comparing.overlays import marks, overlays, ticks
from tests.applications.comparing.conftest import grid
from tests.applications.test_report import FLAGS, LOOK, text


def experiment(name: str, value: float, spread: float | None = 0.05, picture=None, **more) -> Experiment:
    interval = (value - spread, value + spread, 48.0) if spread is not None else ()
    points = [(1000.0 * i, value * i) for i in range(1, 30)]
    parts = {
        "says": f"1a2b3c4, 2026-01-02: {name}",
        "params": {"train.images": int(1000 * value)},
        "metrics": {"identity/top1": Measured(value, *interval), "realism/images": Measured(768.0)},
        "curves": {"val/own_subject": Curve("images", points), "roc: synthesized": Curve("log10", [(-1, 0.5), (0, 1)])},
        "origin": {},
        "picture": picture,
    }
    return Experiment(name, **parts | more)


@pytest.fixture
def three(tmp_path):
    """Three experiments, two with grids."""
    return [
        experiment("HEAD", 0.5, picture=grid(tmp_path / "a.png", 0)),
        experiment("wide <b>", 0.8, picture=grid(tmp_path / "b.png", 9)),
        experiment("plain", 0.45, None, params={}, curves={}),
    ]


def test_a_number_stands_with_its_interval_and_its_difference_to_the_first(three):
    said = text(page.build(three, []))
    assert "0.500 0.450 to 0.550 0.800 0.750 to 0.850 +0.300 0.450 −0.050" in said


def test_intervals_that_do_not_overlap_are_marked_and_better_is_told_from_worse(three):
    made = page.build(three, [])
    assert re.findall(r'class="difference([^"]*)"[^>]*>([^<]*)<', made)[:2] == [
        (" apart better", "+0.300"),
        (" worse", "−0.050"),
    ]


def test_names_and_messages_are_text_and_nothing_leads_out_of_the_page(three):
    made = page.build(three, ["HEAD", "<script>"])
    assert "<b>" not in re.sub(r'<b style="left', "", made).replace("<b>wide", "")
    assert "wide &lt;b&gt;" in made
    assert "<script" not in made
    assert not re.search(r'(?:src|href)="(?!data:)|https?://|@import', made)
    assert "python -m pipeline compare HEAD <script>" in html.unescape(made)


def test_grids_stand_beside_each_other_under_their_names(three):
    made = page.build(three, [])
    assert re.findall(r'alt="the grid of ([^"]*)"', made) == ["HEAD", "wide &lt;b&gt;"]
    assert "Those of the others are not on this machine" in made


def test_a_damaged_grid_is_left_out(tmp_path):
    (tmp_path / "grid.png").write_bytes(b"no picture")
    assert "the grid of" not in page.build([experiment("HEAD", 0.5, picture=tmp_path / "grid.png")], [])


def test_curves_share_one_scale(three):
    charts = {chart.key: chart for chart in overlays(three)}
    low, high = (line.path for line in charts["val/own_subject"].lines)
    last = [float(path.rpartition(" ")[2]) for path in (low, high)]
    assert last[1] == 0  # the highest value of both ends at the top
    assert last[0] == pytest.approx(96 * (1 - (0.5 * 29 - 0.5) / (0.8 * 29 - 0.5)), abs=0.1)


def test_a_curve_of_one_point_is_seen():
    (chart,) = overlays([experiment("a", 0.5, curves={"val/psnr": Curve("images", [(6000, 18)])})])
    assert chart.lines[0].path.count("L") == 1


def test_intervals_are_drawn_on_the_scale_of_their_row():
    first, second = marks([Measured(1, 0, 2), Measured(3, 2, 4)])
    assert (first.low, second.high) == (6, 94)
    assert (first.high, second.low) == (50, 50)
    assert marks([Measured(1), Measured(2)]) == []  # two points at the two ends say nothing
    assert marks([Measured(0, 0, 0), None]) == []


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0, 1, [0, 0.5, 1]), (0.13, 0.77, [0.25, 0.5, 0.75]), (-45, 35, [-25, 0, 25]), (5, 5, [5])],
)
def test_ticks_are_round_numbers_within_the_chart(low, high, expected):
    assert ticks(low, high) == pytest.approx(expected)


def test_columns_of_numbers_become_curves():
    found = curves("images,a,b\n1,2,\n2,x,nan\n3,4,5\n")
    assert found == {"a": Curve("images", [(1, 2), (3, 4)]), "b": Curve("images", [(3, 5)])}
    assert curves("") == {}


def test_params_have_dotted_names_and_a_list_of_one_is_that_one():
    assert flat({"data": {"source": ["rendered"], "people": {"train": 2}}, "a": [1, 2]}) == {
        "data.source": "rendered",
        "data.people.train": 2,
        "a": [1, 2],
    }


@pytest.mark.browser
@pytest.mark.parametrize("width", [390, 1280])
def test_a_browser_shows_it_at_any_width_without_asking_for_anything(three, tmp_path, chromium, width):
    many = [*three, *(experiment(f"experiment-with-a-long-name-{i}", 0.5 + i / 50) for i in range(9))]
    path = tmp_path / "look.html"
    path.write_text(LOOK.format(width=width, page=html.escape(page.build(many, ["HEAD"]))))
    command = [chromium, *FLAGS.split(), "--dump-dom", f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = re.search(r"<title>(\{.*?\})</title>", seen.stdout)
    assert found, seen.stderr
    said = json.loads(html.unescape(found[1]))
    assert said == {"width": width, "content": width, "requests": 0, "pictures": [32, 32]}
    assert "CONSOLE" not in seen.stderr


@pytest.mark.browser
def test_an_experiment_can_be_hidden(three, tmp_path, chromium):
    look = """<!doctype html><iframe id="page" width="1280" height="900" srcdoc="{page}"></iframe><script>
onload = () => {{
  const page = document.getElementById("page").contentWindow
  const seen = () => [...page.document.querySelectorAll(".e1")].filter(e => page.getComputedStyle(e).display != "none")
  const before = seen().length
  page.document.getElementById("show1").click()
  document.title = JSON.stringify([before > 0, seen().length])
}}
</script>"""
    path = tmp_path / "look.html"
    path.write_text(look.format(page=html.escape(page.build(three, []))))
    command = [chromium, *FLAGS.split(), "--dump-dom", f"--user-data-dir={tmp_path / 'profile'}", path.as_uri()]
    seen = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert "<title>[true,0]</title>" in seen.stdout
