"""One run of a W&B sweep, as a DVC experiment: sweep.yaml hands over KEY=VALUE of each param that is swept.

    python -m tools.sweep train.learning_rate=0.001 losses.ipgan.kl=0.002

The experiment is named after the run of the sweep, `dvc exp show` lists it, and its stages have W&B runs of their own,
as always; the metrics of `evaluate` go to the sweep's run too, each as a plain number, which is what a sweep compares.
"""

import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path

from pipeline import paths, tracking
from tools.smoke import run
from tools.summary import figures

ROOT = Path(__file__).resolve().parent.parent
# By these W&B knows the run of a sweep; stages that saw them would all write to that one.
OF_THE_SWEEP = ("WANDB_SWEEP_ID", "WANDB_SWEEP_PARAM_PATH", "WANDB_RUN_ID")


def main(settings: list[str]) -> int:
    if not settings or not all("=" in setting for setting in settings):
        print(f"sweep: give settings as KEY=VALUE (got {' '.join(settings) or 'none'})", file=sys.stderr)
        return 2
    run_id = os.environ.get("WANDB_RUN_ID", "")
    name = ["--name", f"sweep-{run_id}"] if run_id else []
    command = [sys.executable, "-m", "dvc", "exp", "run", *name, *(f"-S{setting}" for setting in settings)]
    # The agent's way to end a run early; DVC has to end with us.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    with tracking.run("sweep") as track:
        if code := run(command, ROOT, of_the_stages(os.environ)):
            sys.exit(code)  # by an exception, so that W&B's run has failed too
        track.log(numbers(), images=0)
    return 0


def of_the_stages(env: Mapping[str, str]) -> dict[str, str]:
    """The environment without the sweep, and with this Python first, whose `python` dvc.yaml means."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
    return {**{name: value for name, value in env.items() if name not in OF_THE_SWEEP}, "PATH": path}


def numbers() -> dict[str, float]:
    """What `evaluate` measured, without intervals."""
    file = ROOT / paths.EVALUATE_METRICS
    return {key: figure.value for key, figure in figures([(str(file), file.read_text(encoding="utf-8"))]).items()}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
