"""Rows of a comparison: what differs among experiments, as text and as JSON."""

import json
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

from pipeline.applications.comparing.experiment import Experiment, Measured
from pipeline.applications.report import number

CHOSEN = (  # what is shown first, where it was measured; a name that ends in / is all of a family
    "identity/top1",
    "identity/top1_sample",
    "closed_set/top1",
    "attributes/yaw_error",
    "truth/psnr",
    "realism/fd_judge",
    "val/",
)
LESS_IS_BETTER = re.compile(
    r"(attributes|judge)/\w+_error|identity/(eer|top1_sample|cosine_sample)|val/own_sample"
    r"|realism/(fd_judge|kd_judge|fid|kid)|truth/feature_distance(_eyes|_mouth)?|uncanniness/auc(_eyes|_mouth)?"
    r"|memorisation/(copies|nearest_cosine)|disentanglement/identity_from_z"
)
MORE_IS_BETTER = re.compile(
    r"closed_set/top1|identity/(top1|top5|several_top1|tar_at_far_1e-\d|auc|cosine_subject)|val/(psnr|own_subject)"
    r"|truth/(psnr|ssim|ms_ssim)(_eyes|_mouth)?|realism/(precision|recall|density|coverage)|(judge|pretrain)/top1_val"
)
GAP = 2  # spaces between columns


class Cell(NamedTuple):
    """A number of one experiment, against that of the first."""

    measured: Measured
    difference: float | None  # None: the first has none, or this is the first
    overlap: bool | None  # of the two intervals; None where one has none
    better: bool | None  # than the first; None where it looks the same, or nobody can say


class Row(NamedTuple):
    key: str
    cells: list[Cell | None]  # None: not measured


def metric_rows(experiments: Sequence[Experiment]) -> list[Row]:
    """A row for each metric that any has: the chosen ones first, then by name."""
    keys = sorted({key for experiment in experiments for key in experiment.metrics})
    first = chosen(keys)
    return [_row(key, experiments) for key in [*first, *(key for key in keys if key not in first)]]


def chosen(keys: Sequence[str]) -> list[str]:
    """Those of the keys that are shown first, in the order of CHOSEN."""
    return [key for name in CHOSEN for key in keys if key == name or (name.endswith("/") and key.startswith(name))]


def param_rows(experiments: Sequence[Experiment]) -> tuple[dict[str, list[Any]], dict[str, list[Any]]]:
    """Name -> a value of each, of the params that differ; None where it has none.

    Returns:
        Those with two values or more; and those that some have and some have not, as where a param came later. A run
        of W&B knows what its stage was handed alone, so one that knows nothing of a section does not differ in it.
    """
    differ: dict[str, list[Any]] = {}
    partial: dict[str, list[Any]] = {}
    for name in dict.fromkeys(name for experiment in experiments for name in experiment.params):
        section = name.partition(".")[0] + "."
        values = [experiment.params.get(name) for experiment in experiments]
        knowing = [e for e in experiments if any(key.startswith(section) for key in e.params)]
        first, *others = [value for value in values if value is not None] or [None]
        if any(_unlike(first, other) for other in others):
            differ[name] = values
        elif any(name not in e.params for e in knowing):
            partial[name] = values
    return differ, partial


def _unlike(one: Any, other: Any) -> bool:
    """Whether they are two values: 16.0 of params.yaml is the 16 that W&B makes of it, and true is no 1."""
    return bool(one != other) or isinstance(one, bool) != isinstance(other, bool)


def other_origin(experiments: Sequence[Experiment]) -> list[str]:
    """Of what the evaluation was made with, what is not the same in all that know of it."""
    paths = dict.fromkeys(path for experiment in experiments for path in experiment.origin)
    return [path for path in paths if len({e.origin[path] for e in experiments if path in e.origin}) > 1]


def as_json(experiments: Sequence[Experiment]) -> str:
    """Everything, with the same keys for each experiment: null where it has no number."""
    differ, partial = param_rows(experiments)
    rows = metric_rows(experiments)
    return json.dumps(
        {
            "experiments": [{"name": e.name, "says": e.says} for e in experiments],
            "made_with_other": other_origin(experiments),
            "params": differ | partial,
            "metrics": {row.key: [_plain(cell) for cell in row.cells] for row in rows},
        },
        indent=2,
        default=str,
    )


def as_text(experiments: Sequence[Experiment], everything: bool, width: int | None = None) -> str:
    """For a terminal: the params that differ, and the chosen metrics or all.

    Args:
        experiments: at least one.
        everything: all metrics.
        width: of the terminal; wider tables are cut into blocks that begin with the first experiment. None: no limit.
    """
    rows = metric_rows(experiments)
    shown = rows if everything else rows[: len(chosen([row.key for row in rows]))]
    differ, partial = param_rows(experiments)
    params = differ | partial if everything else differ
    lines = ["", *(e.name for e in experiments)], ["", *(e.says.partition(":")[0] for e in experiments)]
    table = [*lines, *([name, *map(value_of, values)] for name, values in params.items()), []]
    for row in shown:
        table.append([row.key, *map(_text, row.cells)])
        ranges = [between(cell.measured) if cell else "" for cell in row.cells]
        table += [["", *ranges]] if any(ranges) else []
    notes = [] if differ or partial or len(experiments) < 2 else ["No param differs."]
    if partial and not everything:
        notes.append(f"{len(partial)} more params are in some and not in others: --all")
    notes += [f"{len(rows) - len(shown)} more metrics: --all"] if len(shown) < len(rows) else []
    if any(cell and cell.overlap is False for row in shown for cell in row.cells):
        notes.append(f"* the 95 % intervals of this and of {experiments[0].name} do not overlap")
    notes += [f"{path} is not the same in all, so metrics differ by that too" for path in other_origin(experiments)]
    return "\n".join([*_blocks(table, width), "", *notes]).rstrip()


def between(measured: Measured) -> str:
    """The interval in words; nothing where there is none."""
    return "" if measured.low is None or measured.high is None else f"{number(measured.low)} to {number(measured.high)}"


def signed(difference: float) -> str:
    """A difference with its sign, to the digits that count."""
    return f"{'−' if difference < 0 else '+' if difference else '±'}{number(abs(difference))}"


def value_of(value: Any) -> str:
    """A param as params.yaml has it; nothing where there is none."""
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def _row(key: str, experiments: Sequence[Experiment]) -> Row:
    base, *others = (experiment.metrics.get(key) for experiment in experiments)
    cells = [Cell(base, None, None, None) if base else None]
    return Row(key, cells + [_against(key, base, other) if other else None for other in others])


def _against(key: str, base: Measured | None, other: Measured) -> Cell:
    if base is None:
        return Cell(other, None, None, None)
    difference = other.value - base.value
    known = None not in (base.low, base.high, other.low, other.high)
    overlap = other.low <= base.high and base.low <= other.high if known else None  # type: ignore[operator]
    sign = -1 if LESS_IS_BETTER.fullmatch(key) else 1 if MORE_IS_BETTER.fullmatch(key) else 0
    visible = f"{base.value:.3g}" != f"{other.value:.3g}"
    return Cell(other, difference, overlap, sign * difference > 0 if sign and visible else None)


def _plain(cell: Cell | None) -> dict[str, Any] | None:
    if cell is None:
        return None
    return cell.measured._asdict() | {"difference": cell.difference, "overlap": cell.overlap, "better": cell.better}


def _text(cell: Cell | None) -> str:
    if cell is None:
        return ""
    told = "" if cell.difference is None else f"  {signed(cell.difference)}{'*' if cell.overlap is False else ''}"
    return f"{number(cell.measured.value)}{told}"


def _blocks(table: list[list[str]], width: int | None) -> list[str]:
    """Lines of a table, cut into blocks where it is wider; each has the names and the first experiment."""
    widths = [max(len(row[at]) for row in table if row) + GAP for at in range(len(table[0]))]
    lead, rest = [0, 1][: len(widths)], list(range(2, len(widths)))
    blocks: list[list[int]] = [list(lead)]
    for at in rest:
        if width and sum(widths[i] for i in [*blocks[-1], at]) > width and len(blocks[-1]) > len(lead):
            blocks.append(list(lead))
        blocks[-1].append(at)
    lines: list[str] = []
    for block in blocks:
        lines += [""] if lines else []
        lines += ["".join(row[i].ljust(widths[i]) for i in block).rstrip() if row else "" for row in table]
    return lines
