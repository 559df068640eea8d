"""How near edits come to the truth: rendered heads with one number changed, by the model and rendered anew.

    python -m tools.edit_quality [--model DIR] [--heads N] [--json FILE]

`python -m pipeline edit --fit` comes first, or it is done here. The heads are of people whom no split has.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np
import torch

from pipeline import paths
from pipeline.applications.directions import Directions
from pipeline.applications.edit_truth import Draw, against_truth, rendered
from pipeline.applications.editing import Change, known_directions
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets import heads
from pipeline.errors import UserError
from pipeline.metrics import intervals
from pipeline.tracking.files import write
from tools.asked import at_least

ROOT = Path(__file__).resolve().parent.parent
SEED = 8_000_000
CHANGES = (
    Change("attribute", "yaw", 20.0, relative=True),
    Change("attribute", "light_azimuth", 60.0, relative=True),
    Change("attribute", "glasses", 1.0, relative=False),
    Change("attribute", "mouth_open", 1.0, relative=False),
    Change("attribute", "smile", 1.0, relative=False),
    Change("trait", "beard", 1.0, relative=False),
    Change("trait", "beard", 0.0, relative=False),
    Change("trait", "hair_length", 1.0, relative=False),
    Change("trait", "moustache", 0.0, relative=False),  # "without his moustache"
    Change("trait", "hair_grayness", 0.0, relative=False),  # "as he looked when young", with the next
    Change("trait", "hair_receding", 0.0, relative=False),
)


Row = dict[str, str | float]


def figures(model: FaceSynthesizer, known: dict[str, Directions], draw: Draw, count: int) -> list[Row]:
    """A row a change, PSNR in dB over so many heads.

    `edited`: of the edited face; `untouched`: of the face without the edit; `gain`: what it brought, from `low` to
    `high` with 95 %; `way`: how much of the change that was asked for the model reads in its own drawing.
    """
    seeds = [np.random.default_rng(SEED + i) for i in range(count)]
    people = np.stack([heads.sample_identity(rng) for rng in seeds])
    scenes = np.stack([heads.sample_attributes(rng) for rng in seeds])
    rows: list[Row] = []
    for change in CHANGES:
        truth = against_truth(model, known, change, people, scenes, draw)
        gain = intervals.mean(truth.edited - truth.untouched, intervals.resamples(torch.arange(count)))
        named = f"{change.kind} {change.name} {'by' if change.relative else 'to'} {change.amount:g}"
        means = {"edited": float(truth.edited.mean()), "untouched": float(truth.untouched.mean())}
        way = float(truth.drawn.mean() / truth.asked.mean())
        rows.append({"change": named, **means, "gain": gain.value, "low": gain.low, "high": gain.high, "way": way})
    return rows


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR")
    parser.add_argument("--heads", type=at_least(2), default=48, help="that are changed")
    parser.add_argument("--json", type=Path, default=ROOT / ".facet" / "edit_quality.json", metavar="FILE")
    arguments = parser.parse_args()
    try:
        model = FaceSynthesizer(arguments.model)
        rows = figures(model, known_directions(model), rendered(model.image_size), arguments.heads)
    except UserError as error:
        sys.exit(str(error))
    print("| change | edited | without the edit | gain | of the way |\n|---|---|---|---|---|")
    for r in rows:
        print(
            f"| {r['change']} | {r['edited']:.1f} dB | {r['untouched']:.1f} dB "
            f"| {r['gain']:+.2f} dB ({r['low']:+.2f} to {r['high']:+.2f}) | {r['way']:.2f} |"
        )
    write(arguments.json, json.dumps(rows, indent=2))
    print(f"\nJSON {arguments.json}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
