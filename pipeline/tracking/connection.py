"""A run of W&B: opened online, offline or not at all, whatever state W&B, its server and the network are in."""

import hashlib
import logging
import os
import secrets
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from pipeline import provenance
from pipeline.memory import importing
from pipeline.origin import section_name
from pipeline.tracking.files import write

if TYPE_CHECKING:  # takes seconds to import
    import wandb

CONNECT_SECONDS = 15  # how long the start of a run waits for the server
FINISH_SECONDS = 60  # how long its end waits for uploads; what is left stays in wandb/ for `wandb sync`
RUN_ID = "wandb-run"  # the file in a work folder with the id of its run
WANDB = {  # what W&B reads when it starts its service, unless it is set
    "WANDB_ERROR_REPORTING": "false",
    "WANDB_SILENT": "true",  # where we say a line, it would say three, and another command
    # While it hands an artifact to a server that is silent, its limit for the end does not hold; these do.
    "WANDB_X_GRAPHQL_TIMEOUT_SECONDS": "10",
    "WANDB_X_GRAPHQL_RETRY_MAX": "2",
    "WANDB_X_GRAPHQL_RETRY_WAIT_MAX_SECONDS": "2",
}
log = logging.getLogger(__name__)


def opened(stage: str, sections: Iterable[BaseModel], folder: Path | None, deps: dict[str, str]) -> "wandb.Run | None":
    """A run: online where there is a key and a server, else offline; None where not even that can be, or is wanted.

    Args:
        stage: its name; the run's job type.
        sections: the sections of params.yaml that the stage was handed.
        folder: the stage's work folder, which keeps the id of the run; None: a run of its own.
        deps: of the stage, with DVC's md5.
    """
    for name, value in WANDB.items():
        os.environ.setdefault(name, value)
    os.environ.pop("WANDB_DEBUG", None)  # with it, the log that the service keeps in the run's folder holds the key
    os.environ.pop("WANDB_SERVICE", None)  # that of whoever started this may have ended: a stage has its own
    with importing():
        import wandb

    mode = _mode()
    if mode == "disabled":
        return None
    run_id, group = _run_id(stage, folder), experiment()
    config = {section_name(section): section.model_dump() for section in sections}
    config |= {"environment": provenance.environment(), "deps": deps}

    def start(mode: Any) -> "wandb.Run":
        with _without_launch():
            run = wandb.init(
                project=project(),
                id=run_id,
                resume="allow" if run_id else None,
                job_type=stage,
                group=group,
                name=f"{stage} {group}",
                config=config,
                dir=os.environ.get("WANDB_DIR") or str(project_root()),
                mode=mode,
                settings=wandb.Settings(
                    console="off",
                    silent=True,
                    init_timeout=CONNECT_SECONDS,
                    finish_timeout=FINISH_SECONDS,
                    finish_timeout_raises=True,
                    disable_code=True,
                    disable_git=True,
                    x_disable_stats=mode != "online",
                ),
            )
        run.define_metric("images")
        run.define_metric("*", step_metric="images")
        return run

    try:
        return start(mode)
    except failures() as error:
        log.warning("W&B is out of reach, so this run is kept offline: %s", first_line(error))
    try:
        return start("offline")
    except failures() as error:
        log.warning("W&B does not start, so this run is not tracked: %s", first_line(error))
        return None


@contextmanager
def _without_launch() -> Iterator[None]:
    """Spare W&B the import of its launcher.

    The start of a run asks it for inputs that a job would have staged in this process, and goes on where it cannot.
    None are staged here, and the import takes longer than all else of the start: 1.2 to 1.7 s.
    """
    name = "wandb.sdk.launch"
    if name in sys.modules:
        yield
        return
    sys.modules[name] = None  # type: ignore[assignment]  # so Python says that there is none
    try:
        yield
    finally:
        del sys.modules[name]


def closed(run: "wandb.Run", exit_code: int) -> None:
    """End a run; 0 is success. Waits for uploads for so long, and says how the rest gets there."""
    try:
        run.finish(exit_code=exit_code)
    except TimeoutError:
        rest = f"wandb sync --include-online {Path(run.dir).parent}"
        log.warning("W&B did not take this run in %g s: `%s` does the rest", FINISH_SECONDS, rest)


def project() -> str:
    """Where runs go to."""
    return os.environ.get("WANDB_PROJECT") or "facet"


def project_root() -> Path:
    """The current folder; for `dvc exp run --temp` the project's, since DVC deletes the copy it runs in."""
    here = Path.cwd()
    return next((folder.parent for folder in here.parents if folder.name == ".dvc"), here)


def has_key() -> bool:
    """Whether W&B would find what it logs in with."""
    import wandb
    from wandb.sdk.lib import wbauth

    settings = wandb.setup().settings
    return bool(settings.api_key or settings.identity_token_file or wbauth.read_netrc_auth(host=settings.base_url))


def failures() -> tuple[type[Exception], ...]:
    """What W&B raises when its service, the server, the network or the disk fails; not mistakes in a call."""
    import wandb
    from wandb.sdk.mailbox import HandleAbandonedError, MailboxClosedError

    return (wandb.Error, OSError, HandleAbandonedError, MailboxClosedError)


def first_line(error: Exception) -> str:
    """What an error says, in a line."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _mode() -> str:
    """WANDB_MODE; offline where that would need a key and there is none, for W&B would ask for it."""
    import wandb

    mode = wandb.setup().settings.mode
    return mode if mode != "online" or has_key() else "offline"


def _run_id(stage: str, folder: Path | None) -> str | None:
    """The id of the run of this attempt at a stage: made once, and kept in the work folder."""
    if folder is None:
        return None
    file = folder / RUN_ID
    if not file.exists():
        attempt = secrets.token_hex(8)  # a forced repetition is a run of its own
        belongs = "\n".join((experiment(), stage, folder.name, attempt))
        write(file, hashlib.sha256(belongs.encode()).hexdigest()[:12])
    return file.read_text(encoding="utf-8").strip()


def experiment() -> str:
    """The group of its runs: DVC's name, else branch and commit."""
    return os.environ.get("DVC_EXP_NAME") or provenance.revision()
