"""The tables of README.md and docs/evaluation.md from the committed results: `python -m tools.figures` writes them.

A table stands between <!-- figures: NAME --> and <!-- end -->; tests/test_figures.py fails where one is not that of
`results/`.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pipeline.applications.readable import readable

ROOT = Path(__file__).resolve().parent.parent
FILES = ("README.md", "docs/evaluation.md")
TABLE = re.compile(r"(<!-- figures: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
UNITS = {"yaw": "°", "pitch": "°", "roll": "°", "light_azimuth": "°", "background_hue": "°", "clothes_hue": "°"}
SHOWN = ("yaw", "pitch", "roll", "light_azimuth", "background_hue", "clothes_hue", "glasses", "mouth_open", "smile")
SHOWN += ("gaze_x", "brow_raise", "blink")

CONTROLS = {  # system -> its name, what it must
    "truth": (
        "the true recombination",
        "subjects found as real photographs are; the judge's own errors; no classifier tells it from photographs",
    ),
    "truth_blurred": (
        "the true one, blurred by a pixel (standard deviation)",
        "truth, realism and uncanniness worse; identity the same within 2 points",
    ),
    "truth_of_another": ("the true one with a third person", "neither subject nor sample; the judge's own errors"),
    "another_photograph": ("another photograph of the subject", "the subject; errors as of anybody"),
    "copy_subject": ("the subject's photograph", "the subject; errors as of anybody"),
    "copy_sample": (
        "the sample",
        "never the subject, the sample as real photographs are; the judge's own errors",
    ),
    "nearest_training_image": ("the training image nearest to the truth (at 32 pixels)", "a copy, every time"),
    "mean_face": ("the mean of the test photographs", "covers nothing"),
}
COLUMNS = {
    "identity/top1": "top1",
    "identity/top1_sample": "top1_sample",
    "attributes/yaw_error": "yaw error",
    "truth/psnr": "PSNR",
    "realism/fd_judge": "fd_judge",
    "realism/coverage": "coverage",
    "uncanniness/auc": "uncanniness",
    "memorisation/copies": "copies",
}


class Results:
    """The committed evaluation."""

    def __init__(self, root: Path = ROOT) -> None:
        folder = root / "results/evaluate"
        self.model = json.loads((folder / "metrics.json").read_text())
        self.controls = json.loads((folder / "controls.json").read_text())

    def __call__(self, key: str, digits: str = ".3f") -> str:
        return f"{number(self.model[key]):{digits}}"

    def interval(self, key: str, digits: str = ".3f", unit: str = "") -> str:
        """A figure with its interval."""
        said = self.model[key]
        return f"{said['value']:{digits}}{unit} ({said['low']:{digits}} to {said['high']:{digits}})"


def number(value: Any) -> float:
    """Without its interval."""
    return value["value"] if isinstance(value, dict) else value


def main_table(r: Results) -> Iterator[tuple[str, str, str]]:
    """README's: metric, what it is, its value."""
    true = r.controls["truth"]
    people = round(1 / r.model["disentanglement/identity_chance"]["value"])
    yield "identity/top1", f"taken for the subject, among {people} people", r.interval("identity/top1")
    yield "identity/top1_real", "real images of the same people: the ceiling", r.interval("identity/top1_real")
    yield (
        "identity/several_top1",
        "taken for the subject where I has seen five images of the subject",
        r.interval("identity/several_top1"),
    )
    yield (
        "identity/top1_sample",
        f"taken for the sample's person; chance is {1 / people:.3f}",
        r.interval("identity/top1_sample"),
    )
    yield (
        "identity/tar_at_far_1e-3",
        "accepted as the subject at a threshold that one in a thousand strangers passes; real images: "
        + r("identity/tar_at_far_1e-3_real"),
        r.interval("identity/tar_at_far_1e-3"),
    )
    yield "identity/eer", f"equal error rate; real images: {r('identity/eer_real')}", r.interval("identity/eer")
    likeness = ", ".join(r(f"identity/cosine_{who}", ".2f") for who in ("subject", "sample", "unrelated"))
    yield (
        "identity/cosine_subject, _sample, _unrelated",
        "likeness to the subject, the sample's person, anyone else",
        likeness,
    )
    for name in SHOWN:
        yield attribute(r, name)
    yield (
        "truth/psnr, truth/ssim",
        "against the true recombination",
        f"{r('truth/psnr', '.1f')} dB, {r('truth/ssim', '.2f')}",
    )
    trivial = ("sample", "subject", "mean_face", "nearest_training_image")
    yield (
        "truth/psnr_sample, _subject, _mean_face, _nearest_training_image",
        "answers that anyone could give",
        ", ".join(r(f"truth/psnr_{who}", ".1f") for who in trivial) + " dB",
    )
    yield (
        "realism/fd_judge",
        f"Fréchet distance of the judge's features, {r('realism/images', '.0f')} images against "
        f"{r('realism/images_real', '.0f')}; the true answers: {number(true['realism/fd_judge']):.3g}",
        r.interval("realism/fd_judge", ".1f"),
    )
    ideal = ", ".join(f"{number(true[f'realism/{name}']):.2f}" for name in ("precision", "coverage"))
    shares = ", ".join(r(f"realism/{name}", ".2f") for name in ("precision", "coverage"))
    yield "realism/precision, coverage", f"the true answers: {ideal}", shares
    for region in ("", "_eyes", "_mouth"):
        key = f"uncanniness/auc{region}"
        what = (
            "a fresh classifier tells them from real images: 0.5 is a guess" if not region else f"by the {region[1:]}"
        )
        yield key, f"{what}; the true answers: {number(true[key]):.2f}", r.interval(key)
    yield (
        "memorisation/copies",
        "nearer to a training image than 99 % of real images of new people are",
        r.interval("memorisation/copies"),
    )
    yield (
        "disentanglement/identity_from_z",
        f"whose image it is, as a line reads it from z; chance is {1 / people:.3f}",
        r.interval("disentanglement/identity_from_z"),
    )


def attribute(r: Results, name: str) -> tuple[str, str, str]:
    """A row: the error beside its floor, a random face's, and its ceiling, the judge's own."""
    key, unit = f"attributes/{name}_error", UNITS.get(name, "")
    error, floor, own = (number(r.model[f"{key}{kind}"]) for kind in ("", "_unrelated", "_real"))
    says = f"of a random other face: {floor:.3g}{unit}; the judge's own on the samples: {own:.3g}{unit}"
    if not readable(own, floor):
        says += ", too much to say more"
    return key, says, f"{r.interval(key, '.3g', unit)}: {error / floor:.2f} of a random face's"


def figures(r: Results) -> str:
    """README's table."""
    rows = [f"| `{key}` | {says} | {value} |" for key, says, value in main_table(r)]
    return "\n".join(["| metric | is | value |", "|---|---|---|", *rows])


def controls(r: Results) -> str:
    """The table of docs/evaluation.md."""
    systems = {"the model": ("", r.model)}
    systems |= {name: (must, r.controls[key]) for key, (name, must) in CONTROLS.items()}
    lines = [f"| system | must | {' | '.join(COLUMNS.values())} |", "|---" * (len(COLUMNS) + 2) + "|"]
    for name, (must, scores) in systems.items():
        cells = [f"{number(scores[key]):.3g}" if key in scores else "–" for key in COLUMNS]
        lines.append(f"| {name} | {must} | {' | '.join(cells)} |")
    yaw = {kind: r(f"attributes/yaw_error_{kind}", ".3g") for kind in ("real", "unrelated")}
    ceiling = (
        f"The ceiling of `top1` is {r('identity/top1_real')}, the judge's own yaw error {yaw['real']}°, that of a "
    )
    return "\n".join([*lines, "", f"{ceiling}random other face {yaw['unrelated']}°."])


TABLES: dict[str, Callable[[Results], str]] = {"figures": figures, "controls": controls}


def written(text: str, results: Results) -> str:
    """The page with its tables as the results have them."""
    return TABLE.sub(lambda found: f"{found[1]}\n{TABLES[found[2]](results)}\n\n{found[3]}", text)


def main() -> int:
    """Write the tables where they stand."""
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    results = Results()
    for file in (ROOT / name for name in FILES):
        file.write_text(written(file.read_text(), results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
