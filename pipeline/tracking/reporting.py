"""What a stage reports: numbers, curves, tables and pictures, into the files that DVC reads and into its W&B run."""

import json
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from pipeline import provenance
from pipeline.settings import is_first
from pipeline.tracking import attempt, connection, lineage, tables
from pipeline.tracking.files import as_json, finite, number, write

if TYPE_CHECKING:  # both take seconds to import
    import wandb
    from torch import Tensor

log = logging.getLogger(__name__)


@contextmanager
def run(stage: str, *sections: BaseModel, folder: Path | None = None, record: Path | None = None) -> Iterator["Run"]:
    """Track a stage: record its params and origin, close the run even when the body raises (as failed).

    Args:
        stage: its name; the run's job type.
        *sections: the sections of params.yaml that the stage was handed.
        folder: the stage's work folder: a stage that goes on there continues its run. None: always a run of its own.
        record: the file that says what the run took, written when the body has ended well; None: nobody asks.
    """
    begun = attempt.begun(stage, sections, folder) if record and is_first() else {}
    if is_first():
        deps, ours = provenance.lineage(stage), provenance.made()
        tracked = Run(connection.opened(stage, sections, folder, deps))
        tracked.used({path: md5 for path, md5 in deps.items() if path in ours})
    else:
        tracked = Run(None, writes=False)
    exit_code = 1
    try:
        yield tracked
        # Never twice the same, the record would be a new version in the graph of W&B each time.
        tracked.made([out for out in provenance.outs(stage) if Path(out) != record])
        exit_code = 0
    finally:
        known = begun | tracked.identity() | {"images_before": tracked.images_before}
        tracked.finish(exit_code)
    if record and is_first():
        attempt.ended(record, known)


class Run:
    """What a stage reports of itself. Processes other than the first write and log nothing."""

    def __init__(self, wandb_run: "wandb.Run | None", writes: bool = True) -> None:
        self.history: dict[int, dict[str, float]] = {}  # images seen -> values
        self._wandb = wandb_run
        self._writes = writes
        self.images_before = 0  # seen by earlier tries, which this one goes on from
        self._images = 0
        self._described: dict[str, Mapping[str, Any]] = {}  # path of an out -> what is in it
        self._reported = False

    def log(self, values: "Mapping[str, float | Tensor]", images: int, again: bool = False) -> None:
        """A point of each curve, at the number of images seen; `again` where the run got it before it was stopped."""
        if "images" in values:
            raise ValueError("'images' is the x-axis: hand it over as the argument")
        if not self._writes:
            return
        plain = {key: float(value) for key, value in values.items()}
        self._images = images
        self.history.setdefault(images, {}).update(plain)
        if not again:
            self._send(lambda wandb_run: wandb_run.log({**plain, "images": images}))

    def metrics(
        self,
        path: Path,
        values: "Mapping[str, float | Tensor | Mapping[str, float]]",
        not_measured: Mapping[str, str] | None = None,
    ) -> None:
        """The stage's results: DVC's metrics file, and the same keys in the summary of the W&B run.

        Args:
            path: the metrics file.
            values: name -> number, or a number with its interval: value, low, high, n.
            not_measured: name -> why there is no number.

        Raises:
            ValueError: a number is NaN or infinite, or a name is both measured and not measured.
        """
        plain = as_json(values)
        if bad := {key: value for key, value in plain.items() if not finite(value)}:
            raise ValueError(f"{path}: not finite: {bad}")
        if both := sorted(plain.keys() & (not_measured or {}).keys() | plain.keys() & {"not_measured"}):
            raise ValueError(f"{path}: measured and not measured: {both}")
        if not_measured:
            # `dvc metrics show` makes a column of each string, and leaves lists out of its table of numbers.
            plain["not_measured"] = {key: [reason] for key, reason in not_measured.items()}
        if not self._writes:
            return
        write(path, json.dumps(plain, indent=2, sort_keys=True))
        self._send(lambda wandb_run: wandb_run.summary.update(plain))

    def headline(self, path: Path, values: Mapping[str, float]) -> None:
        """Few of the results again, for DVC's tables; W&B has them by `metrics`."""
        if self._writes:
            write(path, json.dumps(values, indent=2, sort_keys=True))

    def curve(self, path: Path, prefix: str = "") -> None:
        """What was logged so far as plot data for DVC: a row a count of images, a column a key.

        Args:
            path: the file.
            prefix: of the keys that belong into it. DVC draws no line over rows without a value, so what is logged at
                other images needs a file of its own.
        """
        if not self._writes:
            return
        points = [(n, {k: v for k, v in p.items() if k.startswith(prefix)}) for n, p in sorted(self.history.items())]
        keys = sorted({key for _, values in points for key in values})
        lines = [",".join(["images", *keys])]
        for images, values in points:
            if values:
                lines.append(",".join([str(images), *(f"{values[k]:.6g}" if k in values else "" for k in keys)]))
        write(path, "\n".join(lines))

    def table(self, path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]], lines: str = "") -> None:
        """A table as plot data for DVC, and under STAGE/NAME/rows, for NAME may be a metric, for the dashboard.

        Args:
            path: the file.
            columns: their names.
            rows: one value a column.
            lines: a title: the dashboard draws every other column over the first, under STAGE/NAME/lines.
        """
        if not self._writes:
            return
        write(path, "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            name = f"{path.parent.parent.name}/{path.stem}"
            table = wandb.Table(list(columns), [list(row) for row in rows])
            self._tabulate(wandb_run, f"{name}/rows", table)
            if lines:
                x, *ys = (list(column) for column in zip(*rows, strict=True))
                drawn = wandb.plot.line_series([x] * len(ys), ys, list(columns[1:]), lines, columns[0])
                tables.handed_over(wandb_run, f"{name}/lines_table", drawn.table)
                wandb_run.log({f"{name}/lines": drawn, "images": self._images})

        self._send(send)

    def systems(self, path: Path, scores: Mapping[str, Mapping[str, Any]]) -> None:
        """What several systems score by the same metrics: a file, and under STAGE/NAME a table for the dashboard.

        Args:
            path: the file.
            scores: system -> what `metrics` would be given of it.
        """
        if not self._writes:
            return
        plain = {system: as_json(values) for system, values in scores.items()}
        write(path, json.dumps(plain, indent=2, sort_keys=True))

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            keys = sorted({key for values in plain.values() for key in values})
            rows = [[system, *(number(values.get(key)) for key in keys)] for system, values in plain.items()]
            name = f"{path.parent.name}/{path.stem}"
            self._tabulate(wandb_run, name, wandb.Table(["system", *keys], rows))

        if plain:
            self._send(send)

    def pictured(self, key: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
        """A table for the dashboard alone, if it has rows; values that are uint8 [H, W, 3] RGB are its pictures."""

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            shown = [[wandb.Image(v) if isinstance(v, np.ndarray) else v for v in row] for row in rows]
            self._tabulate(wandb_run, key, wandb.Table(list(columns), shown))

        if rows:
            self._send(send)

    def reference(self, name: str, folder: Path, metadata: Mapping[str, Any]) -> None:
        """Say what is in a folder that the stage makes: its artifact gets it, and says where the folder lies.

        Raises:
            ValueError: the artifact of that folder has another name.
        """
        if name != lineage.artifact_name(folder.as_posix()):
            raise ValueError(
                f"the artifact of {folder} is named {lineage.artifact_name(folder.as_posix())}, not {name}"
            )
        self._described[folder.as_posix()] = dict(metadata)

    def picture(self, key: str, image: np.ndarray | Path, caption: str = "") -> None:
        """An image for the dashboard: uint8 [H, W, 3] RGB, or a file."""

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            picture = wandb.Image(str(image) if isinstance(image, Path) else image, caption=caption or None)
            wandb_run.log({key: picture, "images": self._images})

        self._send(send)

    def went_on(self, images: int) -> None:
        """Say how many images earlier tries had seen, with whose work this one goes on; 0: with none."""
        self.images_before = images

    def identity(self) -> dict[str, str | None]:
        """What W&B calls it; None where there is no run."""
        return {f"wandb_{name}": getattr(self._wandb, name, None) for name in ("id", "name")}

    def used(self, deps: Mapping[str, str]) -> None:
        """What other stages made and this one was given: path -> DVC's md5."""
        for path, md5 in deps.items():
            self._send(partial(lineage.used, path=path, md5=md5))

    def made(self, outs: Sequence[str]) -> None:
        """What the stage made: artifacts, and their md5s in the config."""

        def send(wandb_run: "wandb.Run") -> None:
            there = [path for path in sorted({*outs, *self._described}) if Path(path).exists()]
            md5s = {path: provenance.md5(Path(path)) for path in there}
            wandb_run.config.update({"outs": md5s}, allow_val_change=True)
            for path, md5 in md5s.items():
                lineage.made(wandb_run, path, md5, self._described.get(path, {}))

        self._send(send)

    def finish(self, exit_code: int) -> None:
        """Close the W&B run; 0 is success."""
        self._send(lambda wandb_run: connection.closed(wandb_run, exit_code))
        self._wandb = None

    def _tabulate(self, wandb_run: "wandb.Run", key: str, table: "wandb.Table") -> None:
        wandb_run.log({key: tables.handed_over(wandb_run, key, table), "images": self._images})

    def _send(self, action: "Callable[[wandb.Run], None]") -> None:
        """Hand something to W&B; a failure is reported, once, and nothing more."""
        if self._wandb is None:
            return
        try:
            action(self._wandb)
        except connection.failures() as error:
            if not self._reported:
                log.warning("W&B misses some of this run, which goes on: %s", connection.first_line(error))
            self._reported = True
