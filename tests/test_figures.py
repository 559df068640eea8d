"""The tables of figures in README.md and docs are those of the committed results."""

import pytest

from tests.conftest import ROOT
from tools.figures import FILES, TABLES, Results, written


@pytest.mark.parametrize("file", FILES)
def test_the_tables_are_the_committed_results(file):
    text = (ROOT / file).read_text()
    assert written(text, Results()) == text, "`python -m tools.figures` writes them anew"


def test_every_table_stands_somewhere():
    pages = "".join((ROOT / file).read_text() for file in FILES)
    for name in TABLES:
        assert pages.count(f"<!-- figures: {name} -->") == 1


def test_a_figure_that_is_not_the_results_is_found():
    page = "<!-- figures: controls -->\n\n| the model | 0.12345 |\n\n<!-- end -->\n"
    assert "0.12345" not in written(page, Results())
