"""One page that shows what a run of the pipeline reached: a file for itself, without links, fonts or scripts.

The page is `report.html.j2` beside this module; here the numbers are brought into the order of the page.
"""

import base64
import io
import math
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from PIL import Image

from pipeline.applications import taken
from pipeline.applications.charts import CHART, panels, together
from pipeline.applications.readable import readable
from pipeline.applications.templates import template
from pipeline.errors import UserError

LOSSY = 88  # quality of pictures of which there are many: a third of the bytes
GRIDS = 4  # of the pictures made during the training, the first and the last among them
SWAP = {  # likeness of x' by the recogniser that trains G -> to whom
    "val/own_subject": "the subject",
    "val/own_sample": "the sample's person",
    "val/own_unrelated": "anyone else",
}
IDENTITY = {  # key -> what it says
    "identity/top1": "taken for the subject: the nearest of all people",
    "identity/top5": "the subject is among the five nearest",
    "identity/several_top1": "taken for the subject where I has seen five photographs and not one",
    "identity/top1_sample": "taken for the sample's person: nothing was swapped",
    "identity/tar_at_far_1e-2": "accepted as the subject at a threshold that one in a hundred strangers passes",
    "identity/tar_at_far_1e-3": "likewise, one in a thousand",
    "identity/eer": "as many refused as strangers accepted: 0.5 is chance, less is better",
    "identity/auc": "how often a face is more like its subject than like a stranger: 0.5 is chance",
    "identity/cosine_subject": "likeness to the subject",
    "identity/cosine_sample": "likeness to the sample's person",
    "identity/cosine_unrelated": "likeness to anybody else: where nothing begins",
}
CEILINGS = {
    "identity/cosine_subject": "identity/cosine_real",
    "identity/several_top1": "identity/top1_real",
}  # of the others: the key with _real
OTHERS = {
    "realism/fd_judge": "Fréchet distance of the judge's features to real images; less is better",
    "realism/kd_judge": "kernel distance of the same, without bias; 0 is none",
    "realism/precision": "synthesized images among the real ones",
    "realism/recall": "real images among the synthesized ones",
    "realism/density": "how deep among them; 1 is as the real ones",
    "realism/coverage": "real images with a synthesized one near by",
    "realism/images": "synthesized images behind these distances; Fréchet distances fall as it grows",
    "realism/images_real": "real images behind them",
    "realism/fid": "Fréchet distance of Inception's features, which is FID",
    "realism/kid": "and their kernel distance, which is KID",
}
TRUTHS = {  # key -> what it says
    "truth/psnr": "dB to the true recombination, pixel by pixel; more is better",
    "truth/ssim": "structural similarity to it; 1 is identical",
    "truth/ms_ssim": "the same at several scales",
    "truth/feature_distance": "1 - likeness to it in the judge's eyes; of a part: of a face that is true elsewhere",
}
PARTS = ("", "_eyes", "_mouth", "_sample", "_mean_face")  # endings of those keys: of the face, and of trivial answers
LEAKS = {  # key -> what it says, and the key of what it is compared with
    "uncanniness/auc": ("a fresh classifier tells them from photographs: 0.5 is a guess, 1 always", "the true answers"),
    "uncanniness/auc_eyes": ("likewise, by the eyes alone", "the true answers"),
    "uncanniness/auc_mouth": ("by the mouth alone", "the true answers"),
    "memorisation/copies": ("nearer to a training image than all but 1 % of real photographs", "real photographs"),
    "memorisation/nearest_cosine": ("likeness to the nearest training image", "real photographs"),
    "disentanglement/identity_from_z": ("the person of a photograph, read from z by a line", "chance"),
    "disentanglement/identity_from_f_I": ("and from f_I, where it belongs", "chance"),
}
USES = {  # key -> what it says, and the key of what it is compared with
    "applications/frontalization_top1": (
        "turned photographs brought to the front are taken for their person",
        "as they are",
    ),
    "applications/frontalization_tar_at_far_1e-2": (
        "and accepted as their person at a threshold that one in a hundred strangers passes",
        "as they are",
    ),
    "applications/frontalization_yaw": ("degrees by which the results are still turned", ""),
    "applications/morphing_monotone": ("steps of a morph between two samples that turn the right way", ""),
    "applications/morphing_drift": ("likeness to the subject that comes and goes on the way", ""),
    "applications/performance_flicker": (
        "unrest of a performance from frame to frame, over that of the true frames",
        "",
    ),
    "applications/performance_likeness_deviation": ("how much likeness to the subject varies over its frames", ""),
    "applications/adversarial_auc_fgsm_4": (
        "photographs that fool I, by 4 grey levels in one step, are told from honest ones",
        "",
    ),
    "applications/adversarial_auc_pgd_4": ("likewise, in five steps", ""),
    "applications/adversarial_cosine_pgd_4": ("what is left of the likeness that I sees, under that attack", ""),
}
SYSTEMS = {  # whose scores are known before -> what they do
    "model": "the model",
    "truth": "the true answer, rendered",
    "truth_blurred": "the true answer, blurred a little",
    "truth_of_another": "the true answer for somebody else",
    "another_photograph": "another photograph of the subject",
    "copy_subject": "the subject's photograph given back",
    "copy_sample": "the sample given back",
    "nearest_training_image": "the training image nearest to the truth",
    "mean_face": "the mean face, whatever is asked",
}
HEADINGS = {  # columns of the table of systems
    "identity/top1": "subject",
    "identity/top1_sample": "sample",
    "identity/tar_at_far_1e-3": "accepted",
    "attributes/yaw_error": "yaw error",
    "truth/psnr": "PSNR",
    "realism/fd_judge": "Fréchet",
    "realism/precision": "precision",
    "realism/coverage": "coverage",
}
GROUP_HEADINGS = {
    "identity/top1": "subject",
    "identity/top1_real": "real images",
    "identity/top1_sample": "sample",
    "identity/tar_at_far_1e-3": "accepted",
    "identity/eer": "equal error",
    "identity/several_top1": "by five",
    "attributes/yaw_error": "yaw error",
    "attributes/light_azimuth_error": "light error",
}


class Bar(NamedTuple):
    key: str
    says: str
    value: float | None  # None: not measured
    share: float  # of the bar's length, in [0, 1]
    ceiling: float | None = None  # what real images reach, or the true answers, as the value
    floor: float | None = None  # what the mean face reaches, whatever was asked

    @property
    def name(self) -> str:
        return self.key.removeprefix("identity/")


EVALUATED = (  # charts of the evaluation: file, caption, x-axis, column -> what it says
    (
        "roc",
        "True accept rate by false accept rate, as a power of ten",
        "log10_false_accept",
        {"synthesized": "synthesized faces", "real": "photographs"},
    ),
    (
        "by_yaw",
        "Error of yaw in degrees by the yaw of the sample",
        "yaw_from",
        {"attributes/yaw_error": "synthesized faces", "attributes/yaw_error_real": "the judge's own"},
    ),
    ("by_yaw", "Taken for the subject, by the yaw of the sample", "yaw_from", {"identity/top1": "synthesized faces"}),
    (
        "frontalization",
        "Photographs accepted as their person, one stranger in a hundred too, by the degrees that they are turned",
        "turned_from",
        {"tar_at_far_1e-2": "brought to the front", "tar_at_far_1e-2_before": "as they are"},
    ),
    (
        "nearest",
        "Likeness to the nearest training image: which share has how much",
        "cosine_from",
        {"synthesized": "synthesized faces", "real": "real images of new people"},
    ),
)
ELSEWHERE = (
    "attributes/",
    "identity/",
    "truth/",
    "uncanniness/",
    "memorisation/",
    "disentanglement/",
    "applications/",
)  # on the page
AUTHOR = re.compile("_by_([A-Z])$")


class AttributeRow(NamedTuple):
    name: str
    error: float
    unrelated: float
    judge: float | None  # the judge's own error on real images: less cannot be seen
    ratio: float

    @property
    def readable(self) -> bool:
        return readable(self.judge, self.unrelated)


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
    validation: Path | None = None,
    grids: Sequence[Path] = (),
    controls: Mapping[str, Mapping[str, Any]] | None = None,
    groups: Mapping[str, Mapping[str, Any]] | None = None,
    plots: Path | None = None,
    runs: Mapping[str, Mapping[str, Any] | None] | None = None,
    cases: Sequence[Path] = (),
) -> str:
    """The page, as HTML.

    Args:
        title: its heading.
        params: section -> name -> value.
        metrics: stage -> the content of its metrics file.
        curves: name -> CSV file with a column `images`; a chart for each other column.
        pictures: caption -> PNG or JPEG file, in the order in which they are shown.
        environment: name -> value; versions and machine.
        validation: CSV file like `curves`, of what was measured during the training.
        grids: pictures made during the training, named by the images seen.
        controls: system -> its metrics, of systems whose scores are known before.
        groups: FAMILY/GROUP -> the model's metrics for those subjects; FAMILY/gap -> the difference between groups.
        plots: folder with the evaluation's tables, of which EVALUATED names the charts.
        runs: stage -> what its run wrote of itself; None: nothing is known of it.
        cases: pictures of the worst and the best cases by other metrics, `cases_NAME.png` of the one that ends so.
    """
    measured, took_part = without_author(metrics.get("evaluate", {}))
    controls, groups = ({name: without_author(row)[0] for name, row in (of or {}).items()} for of in (controls, groups))
    results = numbers(measured)
    true, mean = (numbers(controls.get(system, {})) for system in ("truth", "mean_face"))
    evaluated = {
        caption: together(plots / f"{name}.csv", columns, x)
        for name, caption, x, columns in EVALUATED
        if plots and (plots / f"{name}.csv").exists()
    }
    page = template(Path(__file__).with_name("report.html.j2"), {"number": number, "leaves": leaves})
    return page.render(
        title=title,
        results=results,
        took_part=took_part,
        truths=truth_rows(measured),
        identity=identity_bars(results, mean),
        attributes=attribute_rows(results, metrics.get("judge", {})),
        others=other_bars(results, true, mean),
        ranges=ranges(measured),
        systems=system_rows(measured, controls),
        headings=list(HEADINGS.values()),
        every=every_row({"model": measured} | controls if controls else {}),
        leaks=leak_rows(results, true),
        probes=probe_rows(results),
        uses=leak_rows(results, {}, USES),
        groups=system_rows({}, groups, GROUP_HEADINGS),
        group_headings=list(GROUP_HEADINGS.values()),
        every_group=every_row(groups),
        not_measured=by_reason(measured.get("not_measured", {})),
        pictures=[picture(caption, path) for caption, path in pictures.items()],
        cases=case_pictures(cases, measured),
        curves={name: panels(path) for name, path in curves.items()},
        swap=together(validation, SWAP) if validation else None,
        validated=[panel for panel in panels(validation) if panel.name not in SWAP] if validation else [],
        grids=[picture(f"{number(int(path.stem))} images", path) for path in spread(sorted(grids), GRIDS)],
        together={caption: lines for caption, lines in evaluated.items() if lines is not None},
        chart=CHART,
        stages={stage: remaining(values) for stage, values in metrics.items() if stage != "evaluate"},
        taken=taken.rows(runs or {}),
        params=params,
        environment=environment,
    )


def without_author(measured: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """The same without `_by_NETWORK`, the ending of keys of which a part of the method was the judge; and which."""
    found = {match.group(1) for name in measured if (match := AUTHOR.search(name))}
    return {AUTHOR.sub("", name): value for name, value in measured.items()}, "".join(sorted(found))


def numbers(measured: Mapping[str, Any]) -> dict[str, float]:
    """Of each metric the number, without its interval."""
    values = {name: value for name, value in measured.items() if name != "not_measured"}
    return {name: value["value"] if isinstance(value, Mapping) else value for name, value in values.items()}


def ranges(measured: Mapping[str, Any]) -> dict[str, str]:
    """Of each metric that has one, its interval."""
    wide = {name: value for name, value in measured.items() if isinstance(value, Mapping) and "low" in value}
    return {name: f"{number(value['low'])} to {number(value['high'])}" for name, value in wide.items()}


class SystemRow(NamedTuple):
    name: str
    says: str
    cells: list[tuple[float, str] | None]  # number and interval, in the order of HEADINGS; None: not measured


def system_rows(
    measured: Mapping[str, Any], others: Mapping[str, Mapping[str, Any]], headings: Mapping[str, str] = HEADINGS
) -> list[SystemRow]:
    """The model and the controls, in the order of SYSTEMS, or groups; nothing where there is nothing to compare."""
    rows = []
    for name, values in (({"model": measured} if measured else {}) | dict(others)).items():
        plain, wide = numbers(values), ranges(values)
        cells = [(plain[key], wide.get(key, "")) if key in plain else None for key in headings]
        rows.append(SystemRow(name, SYSTEMS.get(name, ""), cells))
    order = {name: place for place, name in enumerate(SYSTEMS)}
    rows.sort(key=lambda row: (order.get(row.name, len(order)), row.name.partition("/")[0], row.name.endswith("/gap")))
    return rows if others else []


def every_row(of: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
    """All metrics of all systems, or of all groups: key -> a number or None for each; and who they are."""
    systems = {name: numbers(values) for name, values in of.items()}
    keys = sorted({key for values in systems.values() for key in values})
    return {"systems": list(systems), "rows": {key: [values.get(key) for values in systems.values()] for key in keys}}


class LeakRow(NamedTuple):
    key: str
    says: str
    value: float
    reference: float | None
    of: str  # what the reference is of


def leak_rows(
    results: Mapping[str, float], truth: Mapping[str, float], listed: Mapping[str, tuple[str, str]] = LEAKS
) -> list[LeakRow]:
    """Those that were measured, each beside what would be perfect.

    Args:
        results: of the model.
        truth: of the true answers, where they are known.
        listed: key -> what it says, and what it is compared with.
    """

    def beside(key: str, of: str) -> float | None:
        return {
            "the true answers": truth.get(key),
            "real photographs": results.get(f"{key}_real"),
            "chance": results.get("disentanglement/identity_chance"),
            "as they are": results.get(f"{key}_before"),
        }.get(of)

    there = {key: row for key, row in listed.items() if key in results}
    return [LeakRow(key, says, results[key], beside(key, of), of) for key, (says, of) in there.items()]


class TruthRow(NamedTuple):
    key: str
    says: str
    cells: list[tuple[float, str] | None]  # number and interval, in the order of PARTS; None: not measured


def truth_rows(measured: Mapping[str, Any]) -> list[TruthRow]:
    """How near to the truth, as a whole and in parts; nothing where nobody knows it."""
    plain, wide = numbers(measured), ranges(measured)
    rows = []
    for key, says in TRUTHS.items():
        keys = [f"{key}{part}" for part in PARTS]
        cells = [(plain[name], wide.get(name, "")) if name in plain else None for name in keys]
        rows.append(TruthRow(key, says, cells))
    return [row for row in rows if row.cells[0]]


class ProbeRow(NamedTuple):
    name: str
    from_z: float
    from_f_I: float
    chance: float


def probe_rows(results: Mapping[str, float]) -> list[ProbeRow]:
    """What linear probes read of each attribute, those first that z says most of."""
    rows = []
    for key, chance in results.items():
        if key.startswith("disentanglement/") and key.endswith("_chance_error"):
            name = key.removeprefix("disentanglement/").removesuffix("_chance_error")
            z, f_I = (results.get(f"disentanglement/{name}_from_{code}_error", math.nan) for code in ("z", "f_I"))
            rows.append(ProbeRow(name, z, f_I, chance))
    return sorted(rows, key=lambda row: row.from_z / row.chance if row.chance else math.inf)


def identity_bars(results: Mapping[str, float], mean: Mapping[str, float]) -> list[Bar]:
    """One for each identity metric, on the scale from 0 to 1, between what the mean face and what real images reach."""
    return [
        Bar(
            name,
            says,
            value := results.get(name),
            min(max(value or 0, 0), 1),
            results.get(CEILINGS.get(name, f"{name}_real")),
            mean.get(name),
        )
        for name, says in IDENTITY.items()
    ]


def other_bars(results: Mapping[str, float], true: Mapping[str, float], mean: Mapping[str, float]) -> list[Bar]:
    """What is neither identity nor attribute: those with a word of explanation first, new ones by their names."""
    new = {name: "" for name in results if name not in OTHERS and not name.startswith(ELSEWHERE)}
    return [
        Bar(name, says, results.get(name), 0, true.get(name), mean.get(name)) for name, says in (OTHERS | new).items()
    ]


def attribute_rows(results: Mapping[str, Any], judge: Mapping[str, Any]) -> list[AttributeRow]:
    """The attributes that were measured, those first that the judge can read, of these the best followed first.

    The judge's own error is that on the same people's photographs, or, where these are too few, on the val split's.
    """
    rows = []
    for key, unrelated in results.items():
        if key.startswith("attributes/") and key.endswith("_error_unrelated"):
            name = key.removeprefix("attributes/").removesuffix("_error_unrelated")
            error = results[f"attributes/{name}_error"]
            ratio = error / unrelated if unrelated else math.inf
            own = results.get(f"attributes/{name}_error_real", judge.get(f"judge/{name}_error"))
            rows.append(AttributeRow(name, error, unrelated, own, ratio))
    return sorted(rows, key=lambda row: (not row.readable, row.ratio))


def spread(paths: Sequence[Path], count: int) -> list[Path]:
    """So many of these at most, at equal steps from the first to the last."""
    if len(paths) <= count:
        return list(paths)
    return [paths[round(i * (len(paths) - 1) / (count - 1))] for i in range(count)]


def picture(caption: str, path: Path, quality: int | None = None) -> Picture:
    """A picture as part of the page: as it is in the file, or as a JPEG of this quality.

    Raises:
        UserError: it has not been made.
    """
    if not path.exists():
        raise UserError(f"{path} is not there; make it with `dvc repro`")
    with Image.open(path) as image:
        width, height = image.size
        kind, data = Image.MIME[image.format or "PNG"], path.read_bytes()
        if quality is not None:
            kept = io.BytesIO()
            image.convert("RGB").save(kept, "JPEG", quality=quality, subsampling=0)
            kind, data = Image.MIME["JPEG"], kept.getvalue()
    address = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return Picture(caption, address, width, height)


def case_pictures(paths: Sequence[Path], measured: Mapping[str, Any]) -> list[Picture]:
    """Each with the key of its metric for a caption, families together."""
    keys = {key.rpartition("/")[2]: key for key in measured}
    named = {keys.get(name := path.stem.removeprefix("cases_"), name): path for path in paths}
    return [picture(key, named[key], LOSSY) for key in sorted(named)]


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
