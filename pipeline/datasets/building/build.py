"""From a listing to a prepared folder: plan, make, decide, merge."""

import logging
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, Self

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.datasets.building.decide import KEPT, decide, gather
from pipeline.datasets.building.engine import Engine, make_parts
from pipeline.datasets.building.merge import Rejected, merge
from pipeline.datasets.building.parts import REJECTS, Part, Recipe
from pipeline.datasets.building.plan import tasks
from pipeline.datasets.faces import Listing, Reject
from pipeline.datasets.splits import SPLITS, UNLABELLED
from pipeline.errors import UserError
from pipeline.terminal import watched

log = logging.getLogger(__name__)


class Rules(NamedTuple):
    """What is decided of the data set as a whole."""

    shard_images: int  # candidates of a shard
    near_bits: int  # -1: copies are not looked for
    min_cosine: float  # -1: nobody is compared with their own other photographs
    min_images: int  # of a person


def build(listing: Listing, recipe: Recipe, rules: Rules, folder: Path, engine: Engine) -> Rejected:
    """Make a data set in `folder`/faces; what an interrupted try left in `folder`/parts is not made again.

    Args:
        listing: the candidates.
        recipe: how one becomes a face.
        rules: which faces are used.
        folder: the stage's work folder.
        engine: who does the work.

    Raises:
        UserError: the sources, a worker, the scheduler, or that no face could be used.
    """
    parts, turned_down = folder / "parts", folder / "listing.rejects"
    parts.mkdir(exist_ok=True)
    start = time.monotonic()
    with _RejectFile(turned_down) as file:
        parts_made = make_parts(engine, tasks(listing, rules.shard_images, file.add), recipe, parts)
        made = list(watched(parts_made, "images", count=lambda part: part.images + part.rejects))
    facts = gather(sorted(made, key=_place), parts)
    decisions = decide(facts, parts, rules.near_bits, rules.min_cosine, rules.min_images)
    rejected = merge(parts, facts, decisions, turned_down, folder / "faces")
    if not (decisions.verdict == KEPT).any():
        raise UserError(_nothing(rejected.counts))
    _say(made, time.monotonic() - start, engine.threads)
    return rejected


def _place(part: Part) -> tuple[int, int]:
    """The data set's order: split by split, and by number."""
    split, number = part.name.rsplit("-", 1)
    return (*SPLITS, UNLABELLED).index(split), int(number)


def _say(made: list[Part], wall: float, threads: int) -> None:
    """How fast it went, and on what the workers' time was spent."""
    fresh = [part for part in made if part.seconds]
    if len(fresh) < len(made):
        log.info("%d of %d shards were there already", len(made) - len(fresh), len(made))
    images = sum(part.images + part.rejects for part in fresh)
    spent: Counter[str] = Counter()
    for part in fresh:
        spent.update(part.seconds)
    between = spent.pop("else", 0.0)
    shares = [f"{name} {100 * seconds / (wall * threads):.0f} %" for name, seconds in spent.items()]
    idle = wall * threads - sum(spent.values()) - between
    told = [*shares, f"the rest of a task {100 * between / (wall * threads):.1f} %"]
    told.append(f"start, wait and merge {100 * idle / (wall * threads):.1f} %")
    log.info("%d images in %.1f s by %d workers, %.0f/s: %s", images, wall, threads, images / wall, ", ".join(told))


def _nothing(reasons: Counter[str]) -> str:
    told = ", ".join(f"{reason}: {number}" for reason, number in reasons.most_common(3)) or "no files"
    advice = "put photographs that show faces into a folder for each person"
    if reasons and reasons.most_common(1)[0][0] == "few_images":
        advice = "recognition needs at least two photographs of each person (identities.min_images)"
    elif reasons and reasons.most_common(1)[0][0] == "folder_in_a_person_folder":
        advice = "the people's folders should lie directly in it"
    return f"none of {reasons.total()} photographs gave a face to use ({told}); {advice}"


class _RejectFile:
    """A table that grows by batches: a wrong folder may hold millions of files."""

    BATCH = 10_000

    def __init__(self, path: Path) -> None:
        self._writer = pq.ParquetWriter(path, REJECTS)
        self._waiting: list[dict[str, str]] = []

    def add(self, reject: Reject) -> None:
        self._waiting.append(reject._asdict())
        if len(self._waiting) == self.BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            self._writer.write_table(pa.Table.from_pylist(self._waiting, REJECTS))
            self._waiting = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._flush()
        self._writer.close()
