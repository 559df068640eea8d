"""Run what profiles/ablations.txt lists as DVC experiments, and print the table of docs/ablations.md.

    python -m tools.ablations            queue what has not been run on this commit, run it, print the table
    python -m tools.ablations no_L_KL    that run, with what is queued already; several names, several runs
    python -m tools.ablations --table    only the table, of what has been run on this commit, or on --of REVISION

Each run is an experiment of DVC's, named as in the list: `dvc exp show`, `dvc exp apply NAME`, `dvc exp remove -A`.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import dvc.api
from dvc.scm import RevError

from pipeline import paths

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "profiles/ablations.txt"
IN_ALL = "all"
JOBS = 2  # experiments at once; on two cores, two of one core each are done sooner than one of both after the other
FIGURES = {
    "identity/top1": "top1",
    "identity/top1_sample": "top1_sample",
    "attributes/yaw_error": "yaw error",
    "truth/psnr": "PSNR",
    "realism/fd_judge": "Fréchet",
    "closed_set/top1": "closed-set top1",
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="runs of the list (all)")
    parser.add_argument("--table", action="store_true", help="run nothing")
    parser.add_argument("--jobs", type=int, default=JOBS, help=f"how many at once ({JOBS}); a GPU has room for more")
    parser.add_argument("--of", default="HEAD", metavar="REVISION", help="which the experiments stand on (HEAD)")
    arguments = parser.parse_args()
    try:
        wanted, done = listed(), finished(arguments.of)
    except RevError:
        parser.error(f"--of {arguments.of}: there is no such revision")
    if unknown := set(arguments.names) - wanted.keys():
        parser.error(f"{', '.join(sorted(unknown))}: not in {LIST.relative_to(ROOT)}")
    wanted = {name: wanted[name] for name in arguments.names or wanted}
    if not arguments.table and shallow():
        parser.error("this clone is shallow, and DVC loses experiments in one: `git fetch --unshallow` first")
    if not arguments.table:
        for name in (name for name in wanted if name not in done):
            command("exp", "run", "--queue", "--name", name, *(f"-S{s}" for s in wanted[name]), "evaluate", check=True)
        jobs = max(1, arguments.jobs)
        command("exp", "run", "--run-all", "--jobs", str(jobs), jobs=jobs, check=True)
        done = finished(arguments.of)
    for line in table(wanted, done):
        print(line)
    if not wanted.keys() & done.keys():
        print(f"None of these was run on {arguments.of} here: a clone has no experiments of others.", file=sys.stderr)
    return 0 if wanted.keys() <= done.keys() else 1


def command(*arguments: str, jobs: int = JOBS, **how: Any) -> subprocess.CompletedProcess[str]:
    """DVC's, of this Python."""
    call = [sys.executable, "-m", "dvc", *arguments]
    return subprocess.run(call, cwd=ROOT, env=environment(jobs), text=True, **how)


def environment(jobs: int) -> dict[str, str]:
    """Of the experiments: this Python, W&B's files kept when DVC clears the temporary copies away."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    threads = max(1, (os.cpu_count() or 1) // jobs)
    return {"WANDB_DIR": str(ROOT), **os.environ, "PATH": path, "OMP_NUM_THREADS": str(threads)}


def shallow() -> bool:
    """Whether history is cut short here: what DVC runs in a copy of such a clone is lost without a word."""
    command = ["git", "rev-parse", "--is-shallow-repository"]
    return subprocess.check_output(command, cwd=ROOT, text=True).strip() == "true"


def listed() -> dict[str, list[str]]:
    """Name -> settings, in the order of the list."""
    lines = (line.partition("#")[0].split() for line in LIST.read_text().splitlines())
    runs = {name: settings for name, *settings in filter(None, lines)}
    common = runs.pop(IN_ALL)
    return {name: common + settings for name, settings in runs.items()}


def finished(revision: str) -> dict[str, dict[str, object]]:
    """Name -> metrics and params of the experiments on that commit."""
    rows = dvc.api.exp_show(str(ROOT), revs=revision, num=1)
    return {str(row["Experiment"]): row for row in rows if row["Experiment"] and row["State"] in (None, "", "Success")}


def table(wanted: dict[str, list[str]], done: dict[str, dict[str, object]]) -> list[str]:
    """In Markdown, a row a run."""
    common = set.intersection(*map(set, listed().values()))  # of the whole list: of one run alone all would be common
    lines = [f"| run | settings | {' | '.join(FIGURES.values())} | train, s |", "|---" * (len(FIGURES) + 3) + "|"]
    for name, settings in wanted.items():
        own = ", ".join(f"`{setting}`" for setting in settings if setting not in common)
        found = done.get(name, {})
        cells = [cell(found.get(f"{metric}.value")) or cell(found.get(metric)) for metric in FIGURES]
        lines.append(f"| {name} | {own} | {' | '.join(cells)} | {seconds(name) if name in done else ''} |")
    return lines


def cell(value: object) -> str:
    """A number; nothing where DVC has none, of which it says 'None'."""
    return f"{value:.3g}" if isinstance(value, int | float) else ""


def seconds(name: str) -> str:
    """What `train` took, with start and end; nothing of a run that is gone."""
    try:
        run = json.loads(dvc.api.read(paths.TRAIN_RUN.as_posix(), repo=str(ROOT), rev=name))
    except RevError:
        return ""
    return f"{run['seconds']:.0f}"


if __name__ == "__main__":
    sys.exit(main())
