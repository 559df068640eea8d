"""Experiment tracking: one W&B run a stage, and the metrics files and plot data that DVC reads.

The only module that knows W&B. No state of W&B, of its server or of the network stops a stage: without a key
a run is kept offline in `wandb/` (`wandb leet` shows it, `wandb sync` uploads it); with a key, an unreachable
server costs `CONNECT_SECONDS`, and then the same happens. The environment decides what changes no result:
WANDB_MODE, WANDB_PROJECT, WANDB_DIR, and all else that W&B reads.
"""

import hashlib
import json
import logging
import math
import os
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from pipeline import provenance
from pipeline.origin import section_name
from pipeline.settings import is_first

if TYPE_CHECKING:  # both take seconds to import
    import wandb
    from torch import Tensor

CONNECT_SECONDS = 15  # how long the start of a run waits for the server
FINISH_SECONDS = 60  # how long its end waits for uploads; what is left stays in wandb/ for `wandb sync`
RUN_ID = "wandb-run"  # the file in a work folder with the id of its run
_log = logging.getLogger(__name__)


@contextmanager
def run(stage: str, *sections: BaseModel, folder: Path | None = None) -> Iterator["Run"]:
    """Track a stage: record its params and origin, close the run even when the body raises (as failed).

    Args:
        stage: its name; the run's job type.
        *sections: the sections of params.yaml that the stage was handed.
        folder: the stage's work folder: a stage that goes on there continues its run. None: always a run of its own.
    """
    tracked = Run(_open(stage, sections, _run_id(stage, folder))) if is_first() else Run(None, writes=False)
    exit_code = 1
    try:
        yield tracked
        exit_code = 0
    finally:
        tracked.finish(exit_code)


class Run:
    """What a stage reports of itself. Processes other than the first write and log nothing."""

    def __init__(self, wandb_run: "wandb.Run | None", writes: bool = True) -> None:
        self.history: dict[int, dict[str, float]] = {}  # images seen -> values
        self._wandb = wandb_run
        self._writes = writes
        self._images = 0
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
        plain = _plain(values)
        if bad := {key: value for key, value in plain.items() if not _finite(value)}:
            raise ValueError(f"{path}: not finite: {bad}")
        if both := sorted(plain.keys() & (not_measured or {}).keys() | plain.keys() & {"not_measured"}):
            raise ValueError(f"{path}: measured and not measured: {both}")
        if not_measured:
            # `dvc metrics show` makes a column of each string, and leaves lists out of its table of numbers.
            plain["not_measured"] = {key: [reason] for key, reason in not_measured.items()}
        if not self._writes:
            return
        _write(path, json.dumps(plain, indent=2, sort_keys=True))
        self._send(lambda wandb_run: wandb_run.summary.update(plain))

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
        _write(path, "\n".join(lines))

    def table(self, path: Path, columns: Sequence[str], rows: Sequence[Sequence[Any]], lines: str = "") -> None:
        """A table as plot data for DVC, and under STAGE/NAME for the dashboard.

        Args:
            path: the file.
            columns: their names.
            rows: one value a column.
            lines: a title: the dashboard draws every other column over the first, under STAGE/NAME/lines.
        """
        if not self._writes:
            return
        _write(path, "\n".join([",".join(columns), *(",".join(map(str, row)) for row in rows)]))

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            name = f"{path.parent.parent.name}/{path.stem}"
            wandb_run.log({name: wandb.Table(list(columns), [list(row) for row in rows]), "images": self._images})
            if lines:
                x, *ys = (list(column) for column in zip(*rows, strict=True))
                drawn = wandb.plot.line_series([x] * len(ys), ys, list(columns[1:]), lines, columns[0])
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
        plain = {system: _plain(values) for system, values in scores.items()}
        _write(path, json.dumps(plain, indent=2, sort_keys=True))

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            keys = sorted({key for values in plain.values() for key in values})
            rows = [[system, *(_number(values.get(key)) for key in keys)] for system, values in plain.items()]
            name = f"{path.parent.name}/{path.stem}"
            wandb_run.log({name: wandb.Table(["system", *keys], rows), "images": self._images})

        if plain:
            self._send(send)

    def reference(self, name: str, folder: Path, metadata: Mapping[str, Any]) -> None:
        """A folder as an artifact that says where it lies and what is in it; its bytes stay where they are."""

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            artifact = wandb.Artifact(name, type="dataset", metadata=dict(metadata))
            for file in sorted(folder.resolve().iterdir()):
                artifact.add_reference(file.as_uri(), name=file.name)  # with its md5, as DVC has it
            wandb_run.log_artifact(artifact)

        self._send(send)

    def picture(self, key: str, image: np.ndarray | Path, caption: str = "") -> None:
        """An image for the dashboard: uint8 [H, W, 3] RGB, or a file."""

        def send(wandb_run: "wandb.Run") -> None:
            import wandb

            picture = wandb.Image(str(image) if isinstance(image, Path) else image, caption=caption or None)
            wandb_run.log({key: picture, "images": self._images})

        self._send(send)

    def finish(self, exit_code: int) -> None:
        """Close the W&B run; 0 is success."""
        self._send(lambda wandb_run: wandb_run.finish(exit_code=exit_code))
        self._wandb = None

    def _send(self, action: "Callable[[wandb.Run], None]") -> None:
        """Hand something to W&B; a failure is reported, once, and nothing more."""
        if self._wandb is None:
            return
        try:
            action(self._wandb)
        except _failures() as error:
            if not self._reported:
                _log.warning("W&B misses some of this run, which goes on: %s", _first_line(error))
            self._reported = True


def _plain(values: "Mapping[str, float | Tensor | Mapping[str, float]]") -> dict[str, Any]:
    """As JSON has it."""
    return {k: dict(_plain(v)) if isinstance(v, Mapping) else float(v) for k, v in values.items()}


def _finite(value: float | Mapping[str, float]) -> bool:
    return all(map(_finite, value.values())) if isinstance(value, Mapping) else math.isfinite(value)


def _number(value: Any) -> float | None:
    """A number without its interval."""
    return value["value"] if isinstance(value, Mapping) else value


def _write(path: Path, text: str) -> None:
    """Under a temporary name first: on a full disk the last good file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def _run_id(stage: str, folder: Path | None) -> str | None:
    """The id of the run of this attempt at a stage: made once, and kept in the work folder."""
    if folder is None:
        return None
    file = folder / RUN_ID
    if not file.exists():
        attempt = secrets.token_hex(8)  # a forced repetition is a run of its own
        belongs = "\n".join((_experiment(), stage, folder.name, attempt))
        _write(file, hashlib.sha256(belongs.encode()).hexdigest()[:12])
    return file.read_text(encoding="utf-8").strip()


def _experiment() -> str:
    return os.environ.get("DVC_EXP_NAME") or provenance.revision()


def _open(stage: str, sections: Iterable[BaseModel], run_id: str | None) -> "wandb.Run | None":
    """A W&B run: online where there is a key and a server, else offline; None where not even that can be."""
    os.environ.setdefault("WANDB_ERROR_REPORTING", "false")  # read when wandb starts its service
    import wandb

    group = _experiment()
    config = {section_name(section): section.model_dump() for section in sections}
    config |= {"environment": provenance.environment(), "dvc": provenance.lineage(stage)}

    def start(mode: Any) -> "wandb.Run":
        wandb_run = wandb.init(
            project=os.environ.get("WANDB_PROJECT") or "facet",
            id=run_id,
            resume="allow" if run_id else None,
            job_type=stage,
            group=group,
            name=f"{stage} {group}",
            config=config,
            dir=os.environ.get("WANDB_DIR") or str(_project_root()),
            mode=mode,
            settings=wandb.Settings(
                console="off",
                silent=True,
                init_timeout=CONNECT_SECONDS,
                finish_timeout=FINISH_SECONDS,
                disable_code=True,
                disable_git=True,
                x_disable_stats=mode != "online",
            ),
        )
        wandb_run.define_metric("images")
        wandb_run.define_metric("*", step_metric="images")
        return wandb_run

    try:
        return start(_mode())
    except _failures() as error:
        _log.warning("W&B is out of reach, so this run is kept offline: %s", _first_line(error))
    try:
        return start("offline")
    except _failures() as error:
        _log.warning("W&B does not start, so this run is not tracked: %s", _first_line(error))
        return None


def _mode() -> str:
    """WANDB_MODE; offline where that would need a key and there is none, for W&B would ask for it."""
    import wandb
    from wandb.sdk.lib import wbauth

    settings = wandb.setup().settings
    if settings.mode != "online":
        return settings.mode
    key = settings.api_key or settings.identity_token_file or wbauth.read_netrc_auth(host=settings.base_url)
    return "online" if key else "offline"


def _failures() -> tuple[type[Exception], ...]:
    """What W&B raises when its service, the server, the network or the disk fails; not mistakes in a call."""
    import wandb
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

    return (wandb.Error, OSError, HandleAbandonedError, MailboxClosedError)


def _project_root() -> Path:
    """The current folder; for `dvc exp run --temp` the project's, since DVC deletes the copy it runs in."""
    here = Path.cwd()
    return next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)


def _first_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
