"""Runs on W&B's server: asked for one by one, by who has a key."""

from pipeline.applications.comparing.runs import Run
from pipeline.errors import UserError

SECONDS = 20  # that an answer of the server may take


def run_of(path: str) -> Run:
    """A run, with its whole history; pictures and tables stay on the server.

    Args:
        path: ENTITY/PROJECT/RUN.

    Raises:
        UserError: there is no key, no server, or no such run.
    """
    import wandb  # takes seconds

    if not _has_key():
        raise UserError(
            f"{path}: neither a git revision nor an experiment, and a run on W&B's server takes a key: `wandb login`"
        )
    try:
        found = wandb.Api(timeout=SECONDS).run(path)
        summary = {key: dict(value) if hasattr(value, "keys") else value for key, value in found.summary.items()}
        history = list(found.scan_history())
    except (wandb.Error, OSError, ValueError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise UserError(
            f"{path}: neither a git revision nor an experiment, and W&B has no such run ({reason})"
        ) from None
    stage, group, begun = found.job_type or found.id, str(found.group or found.name), str(found.created_at)
    return Run(found.id, stage, group, begun, found.state == "finished", dict(found.config), summary, history)


def _has_key() -> bool:
    """Where there is none, W&B would ask for it."""
    import wandb
    from wandb.sdk.lib import wbauth

    settings = wandb.setup().settings
    return bool(settings.api_key or settings.identity_token_file or wbauth.read_netrc_auth(host=settings.base_url))
