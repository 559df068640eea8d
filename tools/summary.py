"""The metrics of results/ as Markdown, and their difference to those that are committed at a revision.

    python -m tools.summary                            the working tree's
    python -m tools.summary --revision origin/main     with the difference; bold where the intervals do not meet
    python -m tools.summary --results DIR              another folder's: a smoke run's, kept by FACET_KEEP=DIR

The metrics that say most stand first, all others are folded. Needs git alone, and nothing of what DVC holds.
"""

import argparse
import json
import signal
import subprocess
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from pipeline import paths

ROOT = Path(__file__).resolve().parent.parent
RESULTS = Path("results")
FIRST = {  # key -> which way is better
    "identity/top1": "↑",
    "identity/top1_sample": "↓",
    "identity/tar_at_far_1e-3": "↑",
    "identity/cosine_subject": "↑",
    "attributes/yaw_error": "↓",
    "attributes/light_azimuth_error": "↓",
    "attributes/background_hue_error": "↓",
    "attributes/glasses_error": "↓",
    "attributes/mouth_open_error": "↓",
    "truth/psnr": "↑",
    "truth/ssim": "↑",
    "realism/fd_judge": "↓",
    "realism/precision": "↑",
    "realism/coverage": "↑",
    "uncanniness/auc": "↓",
    "memorisation/copies": "↓",
    "disentanglement/identity_from_z": "↓",
}


class Figure(NamedTuple):
    """A number and its interval, which is a point where none was computed."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        interval = f" ({number(self.low)} to {number(self.high)})" if self.has_interval else ""
        return f"{number(self.value)}{interval}"

    @property
    def has_interval(self) -> bool:
        return self.low != self.high


def number(value: float) -> str:
    """Three digits, or all of them before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revision", metavar="REV", help="a commit, branch or tag to compare with")
    parser.add_argument("--results", type=Path, default=RESULTS, metavar="DIR", help=f"default: {RESULTS}")
    arguments = parser.parse_args()
    here = of_folder(arguments.results)
    if not here:
        sys.exit(f"summary: {arguments.results} holds no metrics; `make repro` or `make smoke` makes some")
    there = of_revision(arguments.revision) if arguments.revision else None
    for line in tables(here, there, arguments.revision):
        print(line)
    return 0


def of_folder(results: Path) -> dict[str, Figure]:
    """Name -> figure, of every metrics file that is in the folder; a relative one is the project's."""
    files = [ROOT / results / path.relative_to(RESULTS) for path in paths.METRICS]
    return figures((str(file), file.read_text(encoding="utf-8")) for file in files if file.is_file())


def of_revision(revision: str) -> dict[str, Figure]:
    """The same of a commit; nothing of a stage that it has no metrics of."""
    if git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}") is None:
        sys.exit(f"summary: there is no revision {revision}; `git fetch` may bring it, `git branch --all` lists some")
    texts = ((f"{revision}:{path}", git("show", "--end-of-options", f"{revision}:{path}")) for path in paths.METRICS)
    return figures((name, text) for name, text in texts if text is not None)


def git(*arguments: str) -> str | None:
    """What git prints; None where it fails."""
    done = subprocess.run(["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout


def figures(files: Iterable[tuple[str, str]]) -> dict[str, Figure]:
    """What metrics files say; older ones have numbers without intervals."""
    found: dict[str, Figure] = {}
    for name, text in files:
        try:
            values: dict[str, Any] = json.loads(text)
            values.pop("not_measured", None)
            found |= {key: figure(value) for key, value in values.items()}
        except (ValueError, TypeError, KeyError, AttributeError):
            sys.exit(f"summary: {name} is no metrics file; `dvc repro` writes it anew")
    return found


def figure(value: float | Mapping[str, float]) -> Figure:
    if isinstance(value, Mapping):
        return Figure(float(value["value"]), float(value["low"]), float(value["high"]))
    return Figure(float(value), float(value), float(value))


def tables(here: dict[str, Figure], there: dict[str, Figure] | None, revision: str | None) -> list[str]:
    """Those of FIRST as a table, all others as a folded one."""
    known = here.keys() | (there or {}).keys()
    others = sorted(known - FIRST.keys())
    lines = table([key for key in FIRST if key in known], here, there, revision)
    if others:
        lines += ["", f"<details><summary>{len(others)} other metrics</summary>", ""]
        lines += [*table(others, here, there, revision), "", "</details>"]
    return lines


def table(keys: list[str], here: dict[str, Figure], there: dict[str, Figure] | None, revision: str | None) -> list[str]:
    if not keys:
        return []
    head = ["metric", "value"] if there is None else ["metric", "here", f"at {revision}", "difference"]
    lines = [f"| {' | '.join(head)} |", "|---" * len(head) + "|"]
    for key in keys:
        cells = [f"`{key}` {FIRST.get(key, '')}".strip(), cell(here.get(key))]
        if there is not None:
            cells += [cell(there.get(key)), difference(here.get(key), there.get(key))]
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def cell(value: Figure | None) -> str:
    return "not measured" if value is None else str(value)


def difference(here: Figure | None, there: Figure | None) -> str:
    """Bold where the intervals do not meet, which says more than who happened to be in the test split."""
    if here is None or there is None:
        return ""
    if here == there:
        return "0"
    change = f"{here.value - there.value:+.3g}"
    apart = here.low > there.high or here.high < there.low
    return f"**{change}**" if apart and (here.has_interval or there.has_interval) else change


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # whoever reads along, `head` for instance, may have enough
    sys.exit(main())
