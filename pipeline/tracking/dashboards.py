"""A saved workspace and a report on the server, from panels that are plain data."""

import importlib.util
from collections.abc import Sequence
from typing import Any

import requests

from pipeline.errors import UserError
from pipeline.tracking.connection import CONNECT_SECONDS, failures, first_line, has_key, project
from pipeline.tracking.panels import Bars, Comparer, Drawn, Lines, Panel, Parallel, Pictures, Rows, Section
from pipeline.tracking.waiting import within

SAVE_SECONDS = 30  # how long both may take
WIDE, TALL = 24, 12  # of the 24 columns that a page has; rows


class NoKeyError(UserError):
    """There is nothing to log in with."""

    exit_code = 2


def publish(title: str, says: str, workspace: Sequence[Section], comparison: Sequence[Section]) -> list[str]:
    """Save both on the server: their addresses. What was saved before stays as it is.

    Args:
        title: of both.
        says: the report's first paragraph.
        workspace: the sections of the workspace.
        comparison: the sections of the report.

    Raises:
        UserError: there is no key, a package is missing, or the server does not answer or refuses.
    """
    import wandb

    if not has_key():
        raise NoKeyError("dashboard: W&B knows of no key here: run `wandb login`, or set WANDB_API_KEY")
    if importlib.util.find_spec("wandb_workspaces") is None:
        raise UserError("dashboard: wandb-workspaces is not installed: python -m pip install wandb-workspaces")
    server = wandb.setup().settings.base_url

    wrong: tuple[type[Exception], ...] = (*failures(), ValueError)

    def save() -> list[str]:
        entity = wandb.Api(timeout=CONNECT_SECONDS).default_entity or ""
        pages = [as_workspace(title, entity, workspace), as_report(title, says, entity, comparison)]
        return [page.save().url for page in pages]

    try:
        requests.get(server, timeout=CONNECT_SECONDS)
        return within(SAVE_SECONDS, save)
    except TimeoutError:
        raise UserError(f"dashboard: {server} did not save it: no answer in {SAVE_SECONDS} s") from None
    except wrong as error:
        raise UserError(f"dashboard: {server} did not save it: {first_line(error)}") from None


def as_workspace(title: str, entity: str, sections: Sequence[Section]) -> Any:
    """A wandb_workspaces.workspaces.Workspace of this project."""
    from wandb_workspaces import workspaces

    return workspaces.Workspace(
        entity=entity,
        project=project(),
        name=title,
        sections=[
            workspaces.Section(name=s.title, panels=[drawn(panel) for panel in s.panels], is_open=True)
            for s in sections
        ],
        settings=workspaces.WorkspaceSettings(x_axis="images"),
    )


def as_report(title: str, says: str, entity: str, sections: Sequence[Section]) -> Any:
    """A wandb_workspaces.reports.v2.Report: a section shows the runs of its stage and how they differ."""
    import wandb_workspaces.reports.v2 as reports
    from wandb_workspaces import expr

    blocks: list[Any] = [reports.P(says)]
    for section in sections:
        only = [expr.Metric("JobType") == section.stage] if section.stage else ""
        runs = reports.Runset(entity=entity, project=project(), name=section.stage or "all stages", filters=only)
        panels = [drawn(panel) for panel in section.panels]
        blocks += [reports.H2(section.title), reports.PanelGrid(runsets=[runs], panels=panels)]
    return reports.Report(entity=entity, project=project(), title=title, blocks=blocks, width="fluid")


def drawn(panel: Panel) -> Any:
    """As wandb_workspaces has it."""
    import wandb_workspaces.reports.v2 as reports

    wide = reports.Layout(w=WIDE, h=TALL)
    match panel:
        case Lines(title, keys):
            return reports.LinePlot(title=title, x="images", y=list(keys))
        case Bars(title, keys):
            return reports.BarPlot(title=title, metrics=list(keys))
        case Pictures(title, keys):
            return reports.MediaBrowser(title=title, media_keys=list(keys), mode="gallery", layout=wide)
        case Rows(key):
            return reports.WeavePanelSummaryTable(table_name=key, layout=wide)
        case Drawn(key):
            fields = {"step": "step", "lineKey": "lineKey", "lineVal": "lineVal"}
            table = {"summaryTable": {"tableKey": f"{key}/lines_table"}}
            return reports.CustomChart(query=table, chart_name="wandb/lineseries/v0", chart_fields=fields)
        case Parallel(title, params, keys):
            ends = [*map(reports.Config, params), *map(reports.SummaryMetric, keys)]
            columns = [reports.ParallelCoordinatesPlotColumn(end) for end in ends]
            return reports.ParallelCoordinatesPlot(title=title, columns=columns, layout=wide)
        case Comparer():
            return reports.RunComparer(diff_only="split", layout=wide)
