"""One page that shows what a run of the pipeline reached: a file for itself, without links, fonts or scripts.

The page is `report.html.j2` beside this module; here the numbers are brought into the order of the page.
"""

import base64
import csv
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from PIL import Image

CHART = (300, 96)  # units of a chart's drawing area
POINTS = 300  # of a curve; more would not be seen

IDENTITY = {  # key -> what it says
    "identity/top1": "taken for the subject",
    "identity/top1_real": "real images of the same people: the ceiling",
    "identity/top1_sample": "taken for the sample's person: nothing was swapped",
    "identity/cosine_subject": "likeness to the subject",
    "identity/cosine_sample": "likeness to the sample's person",
    "identity/cosine_unrelated": "likeness to anybody else: where nothing begins",
}
OTHERS = {
    "truth/psnr": "dB, to the true recombination, pixel by pixel; more is better",
    "truth/ssim": "structural similarity to it; 1 is identical",
    "realism/fd_judge": "Fréchet distance of the judge's features to real images; less is better",
    "realism/images": "synthesized images behind these distances, which fall as it grows",
    "realism/images_real": "real images behind them",
    "realism/fid": "the same of Inception's features, which is FID",
}


class Bar(NamedTuple):
    name: str
    says: str
    value: float | None  # None: not measured
    share: float  # of the bar's length, in [0, 1]
    mark: float | None = None  # likewise; what the bar has to be compared with


class AttributeRow(NamedTuple):
    name: str
    error: float
    unrelated: float
    judge: float | None  # the judge's own error on real images: less cannot be seen
    ratio: float


class Panel(NamedTuple):
    name: str
    path: str  # of SVG
    low: float
    high: float
    last: float
    images: int


class Picture(NamedTuple):
    caption: str
    address: str  # data:
    width: int
    height: int


def build(
    title: str,
    params: Mapping[str, Mapping[str, Any]],
    metrics: Mapping[str, Mapping[str, Any]],
    curves: Mapping[str, Path],
    pictures: Mapping[str, Path],
    environment: Mapping[str, str],
) -> str:
    """The page, as HTML.

    Args:
        title: its heading.
        params: section -> name -> value.
        metrics: stage -> the content of its metrics file.
        curves: name -> CSV file with a column `images`; a chart for each other column.
        pictures: caption -> PNG or JPEG file, in the order in which they are shown.
        environment: name -> value; versions and machine.
    """
    results = metrics.get("evaluate", {})
    template = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    template.filters |= {"number": number, "leaves": leaves}
    return template.get_template("report.html.j2").render(
        title=title,
        results=results,
        identity=identity_bars(results),
        attributes=attribute_rows(results, metrics.get("judge", {})),
        others=other_bars(results),
        not_measured=by_reason(results.get("not_measured", {})),
        pictures=[picture(caption, path) for caption, path in pictures.items()],
        curves={name: panels(path) for name, path in curves.items()},
        chart=CHART,
        stages={stage: remaining(values) for stage, values in metrics.items() if stage != "evaluate"},
        params=params,
        environment=environment,
    )


def identity_bars(results: Mapping[str, Any]) -> list[Bar]:
    """One for each identity metric, on the scale from 0 to 1; the ceiling is a mark on the first."""
    ceiling = results.get("identity/top1_real")
    return [
        Bar(
            name.removeprefix("identity/"),
            says,
            value := results.get(name),
            min(max(value or 0, 0), 1),
            ceiling if name == "identity/top1" else None,
        )
        for name, says in IDENTITY.items()
    ]


def other_bars(results: Mapping[str, Any]) -> list[Bar]:
    """What is neither identity nor attribute: those with a word of explanation first, new ones by their names."""
    known = {*IDENTITY, *OTHERS, "not_measured"}
    new = {name: "" for name in results if name not in known and not name.startswith("attributes/")}
    return [Bar(name, says, results.get(name), 0) for name, says in (OTHERS | new).items()]


def attribute_rows(results: Mapping[str, Any], judge: Mapping[str, Any]) -> list[AttributeRow]:
    """The attributes that were measured, the best followed first."""
    rows = []
    for key, unrelated in results.items():
        if key.startswith("attributes/") and key.endswith("_error_unrelated"):
            name = key.removeprefix("attributes/").removesuffix("_error_unrelated")
            error = results[f"attributes/{name}_error"]
            ratio = error / unrelated if unrelated else math.inf
            rows.append(AttributeRow(name, error, unrelated, judge.get(f"judge/{name}_error"), ratio))
    return sorted(rows, key=lambda row: row.ratio)


def panels(path: Path) -> list[Panel]:
    """A chart for each column of a CSV file, but `images`, which is the x-axis of all."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    charts = []
    for name in rows[0] if rows else ():
        points = [(int(row["images"]), float(row[name])) for row in rows if row[name] != ""]
        points = [point for point in points if math.isfinite(point[1])]
        if name != "images" and points:
            charts.append(_panel(name, points))
    return charts


def _panel(name: str, points: list[tuple[int, float]]) -> Panel:
    last = points[-1]
    step = math.ceil(len(points) / POINTS)
    shown = points[::step] + [last] * bool((len(points) - 1) % step)
    low, high = (extreme(y for _, y in points) for extreme in (min, max))
    width, height = CHART
    end, span = max(last[0], 1), high - low or 1
    places = [(width * x / end, height * (high - y) / span) for x, y in shown]
    if len(places) == 1:
        places = [(0, height / 2), (width, height / 2)]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
    return Panel(name, path, low, high, last[1], last[0])


def picture(caption: str, path: Path) -> Picture:
    """A picture as part of the page."""
    with Image.open(path) as image:
        width, height = image.size
        kind = Image.MIME[image.format or "PNG"]
    data = base64.b64encode(path.read_bytes()).decode("ascii")
    return Picture(caption, f"data:{kind};base64,{data}", width, height)


def by_reason(not_measured: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """Reason -> what was not measured for it."""
    names: dict[str, list[str]] = {}
    for name, reasons in not_measured.items():
        names.setdefault("; ".join(reasons), []).append(name)
    return names


def remaining(values: Mapping[str, Any]) -> dict[str, float]:
    """The numbers of a stage that stand nowhere else on the page."""
    shown = ("not_measured", "_error")  # the judge's errors are marks on those of the synthesized faces
    return {name: value for name, value in values.items() if not name.endswith(shown)}


def leaves(tree: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested params as dotted names."""
    flat: dict[str, Any] = {}
    for name, value in tree.items():
        nested = isinstance(value, Mapping)
        flat |= leaves(value, f"{prefix}{name}.") if nested else {f"{prefix}{name}": value}
    return flat


def number(value: float) -> str:
    """Three digits that count; whole numbers whole, in groups of three."""
    if float(value).is_integer():
        return f"{value:,.0f}".replace(",", "\N{NARROW NO-BREAK SPACE}")
    size = abs(value)
    if not math.isfinite(value) or 0 < size < 0.0005:
        return f"{value:.1e}"
    return f"{value:.{0 if size >= 100 else 1 if size >= 10 else 2 if size >= 1 else 3}f}"
