"""The comparison as a page in one file, with the look of the report; the template is `page.html.j2` beside this."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from markupsafe import Markup, escape
from PIL import UnidentifiedImageError

from pipeline.applications import report
from pipeline.applications.charts import CHART
from pipeline.applications.comparing import overlays, table
from pipeline.applications.comparing.experiment import Experiment
from pipeline.applications.templates import template

FAMILIES = {  # of curves -> what they say; the rest are named by their stage
    "val": "Is a swap happening? Likeness of synthesized faces, of people that nothing was trained on, by C.",
    "roc": "True accept rate by false accept rate, as a power of ten.",
    "by_yaw": "By the yaw of the sample, in degrees.",
    "train": "The terms of the losses.",
}
SAYS = (
    report.IDENTITY
    | report.OTHERS
    | report.TRUTHS
    | {key: says for key, (says, _) in (report.LEAKS | report.USES).items()}
    | {
        "identity/top1_sample": "taken for the sample's person: less is better",
        "attributes/yaw_error": "degrees between the pose of the face and of the sample: less is better",
        "val/own_subject": "likeness to the subject, by the recogniser that trains G",
        "val/own_sample": "likeness to the sample's person: less is better",
        "val/own_unrelated": "likeness to anybody else: where nothing begins",
        "val/psnr": "dB to the true recombination, while training",
    }
)
COLORS = 8  # that the page tells apart; more experiments begin again, dashed


class Shown(NamedTuple):
    """A row of the table with its chart."""

    row: table.Row
    says: str
    marks: list[overlays.Mark]


def build(experiments: Sequence[Experiment], names: Sequence[str]) -> str:
    """The page, as HTML.

    Args:
        experiments: at least one; the others are compared with the first.
        names: what was asked for, for the command that makes it again.
    """
    rows = [_shown(row) for row in table.metric_rows(experiments)]
    differ, partial = table.param_rows(experiments)
    first = len(table.chosen([shown.row.key for shown in rows]))
    filters: dict[str, Callable[..., Any]] = {
        "number": report.number,
        "between": table.between,
        "signed": table.signed,
        "value": table.value_of,
        "breakable": _breakable,
    }
    return template(Path(__file__).with_name("page.html.j2"), filters).render(
        experiments=experiments,
        names=names,
        colors=COLORS,
        look=_look(),
        chosen=rows[:first],
        families=_by_family([(shown.row.key, shown) for shown in rows[first:]]),
        params=differ,
        partial=partial,
        other_origin=table.other_origin(experiments),
        charts=_by_family([(chart.key, chart) for chart in overlays.overlays(experiments)], list(FAMILIES)),
        family_says=FAMILIES,
        pictures=_pictures(experiments),
        chart=CHART,
    )


def _shown(row: table.Row) -> Shown:
    return Shown(row, SAYS.get(row.key, ""), overlays.marks([cell and cell.measured for cell in row.cells]))


def _by_family(named: Sequence[tuple[str, Any]], first: Sequence[str] = ()) -> dict[str, list[Any]]:
    """By what stands before the first / or : of each name."""
    families: dict[str, list[Any]] = {name: [] for name in first}
    for key, what in named:
        families.setdefault(re.split("[/:]", key)[0], []).append(what)
    return {name: members for name, members in families.items() if members}


def _pictures(experiments: Sequence[Experiment]) -> dict[int, report.Picture]:
    """Place -> grid, of those whose grid is here."""
    pictures = {}
    for place, experiment in enumerate(experiments):
        if experiment.picture:
            try:
                pictures[place] = report.picture(experiment.name, experiment.picture)
            except (OSError, UnidentifiedImageError):
                continue
    return pictures


def _breakable(name: str) -> Markup:
    """A name that a narrow column breaks where its parts end."""
    return Markup(re.sub("([/._])", r"\1<wbr>", str(escape(name))))


def _look() -> str:
    """The report's styles, so that both pages look alike."""
    text = (Path(report.__file__).parent / "report.html.j2").read_text(encoding="utf-8")
    return text.partition("<style>")[2].partition("</style>")[0]
