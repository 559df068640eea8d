"""Curves as a reader sees them: to the right is later, up is more. Made-up numbers."""

import pytest

from pipeline.applications.charts import CHART, POINTS, panels, together

WIDTH, HEIGHT = CHART


@pytest.fixture
def written(tmp_path):
    def write(content):
        path = tmp_path / "c.csv"
        path.write_text(content)
        return path

    return write


def test_a_curve_runs_from_the_left_edge_to_the_right_and_up_is_more(written):
    (panel,) = panels(written("images,train/L_D\n0,1\n50,3\n100,2\n"))
    assert panel.path == f"M0.0 {HEIGHT:.1f}L{WIDTH / 2:.1f} 0.0L{WIDTH:.1f} {HEIGHT / 2:.1f}"
    assert (panel.low, panel.high, panel.last, panel.images) == (1, 3, 2, 100)


def test_a_chart_a_column_and_gaps_are_left_out(written):
    made = panels(written("images,a,b,c,d\n10,1,,,nan\n20,2,5,,inf\n30,nan,6,,7\n"))
    assert [(panel.name, panel.last) for panel in made] == [("a", 2), ("b", 6), ("d", 7)]


def test_a_value_that_never_changes_is_a_line(written):
    (panel,) = panels(written("images,a\n10,2\n"))
    assert panel.path == "M0.0 48.0L300.0 48.0"
    assert panels(written("images,a\n")) == []


def test_a_long_curve_is_thinned_and_keeps_its_end(written):
    (panel,) = panels(written("images,a\n" + "".join(f"{i},{i % 7}\n" for i in range(1, 10_001))))
    assert len(panel.path.split("L")) <= POINTS + 1
    assert panel.path.split("L")[-1].startswith("300.0 ")
    assert panel.last == 10_000 % 7


def test_curves_in_one_chart_have_one_scale(written):
    path = written("images,a,b,c\n50,0,4,9\n100,1,2,9\n")
    chart = together(path, {"b": "second", "a": "first"})
    assert (chart.low, chart.high, chart.begin, chart.end) == (0, 4, 0, 100)
    assert {line.name: (line.says, line.last) for line in chart.lines} == {"a": ("first", 1), "b": ("second", 2)}
    assert {line.name: line.path for line in chart.lines} == {
        "a": f"M150.0 {HEIGHT:.1f}L300.0 {0.75 * HEIGHT:.1f}",
        "b": f"M150.0 0.0L300.0 {0.5 * HEIGHT:.1f}",
    }
    assert together(path, {"d": "nowhere"}) is None


def test_of_several_curves_with_one_point_each_keeps_its_height(written):
    chart = together(written("images,a,b\n50,0,4\n"), {"a": "", "b": ""})
    assert [line.path for line in chart.lines] == [f"M0.0 {HEIGHT:.1f}L300.0 {HEIGHT:.1f}", "M0.0 0.0L300.0 0.0"]


def test_another_axis_begins_at_its_first_value(written):
    path = written("yaw,error\n-45,4\n5,2\n45,4\n")
    chart = together(path, {"error": "of yaw"}, x="yaw")
    assert (chart.begin, chart.end) == (-45, 45)
    assert chart.lines[0].path == f"M0.0 0.0L{CHART[0] * 50 / 90:.1f} {CHART[1]:.1f}L{CHART[0]:.1f} 0.0"
