"""What edits bring, as the tool tells it."""

import numpy as np

from tests.applications.test_editing import linear  # noqa: F401
from tools.edit_quality import CHANGES, figures


def test_edits_of_a_model_that_can_do_them_come_nearer_to_the_truth_and_the_interval_says_so(linear):  # noqa: F811
    model, known = linear
    rows = figures(model, known, model.draw, 8)
    assert [row["change"] for row in rows][:2] == ["attribute yaw by 20", "attribute light_azimuth by 60"]
    assert len(rows) == len(CHANGES)
    for row in rows:
        assert np.isclose(row["gain"], row["edited"] - row["untouched"])
        assert row["low"] <= row["gain"] <= row["high"]
        assert np.isclose(row["way"], 1, atol=0.15), row  # all of it is drawn, but for what no grey level shows
    assert sum(row["low"] > 0 for row in rows) > len(rows) / 2
