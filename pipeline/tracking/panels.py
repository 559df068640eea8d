"""What a dashboard shows, as plain data: what can be said of panels without W&B."""

from typing import NamedTuple


class Lines(NamedTuple):
    """Curves over images seen, one of each run and key."""

    title: str
    keys: tuple[str, ...]


class Bars(NamedTuple):
    """Results, a bar a run and key; a number that has an interval is drawn without it."""

    title: str
    keys: tuple[str, ...]


class Pictures(NamedTuple):
    """Images, those of several runs beside one another, with a slider over what was logged at several times."""

    title: str
    keys: tuple[str, ...]


class Rows(NamedTuple):
    """A table, the rows of all runs below one another."""

    key: str


class Drawn(NamedTuple):
    """A table that was logged as lines over its first column."""

    key: str


class Parallel(NamedTuple):
    """A line a run, through its params and its results."""

    title: str
    params: tuple[str, ...]  # section.name
    keys: tuple[str, ...]


class Comparer(NamedTuple):
    """The params of the runs beside one another, those that differ first."""


Panel = Lines | Bars | Pictures | Rows | Drawn | Parallel | Comparer


class Section(NamedTuple):
    """Panels under a title, over the runs of one stage; None: over all."""

    title: str
    stage: str | None
    panels: tuple[Panel, ...]
