"""Experiment tracking: one W&B run a stage, and the metrics files and plot data that DVC reads.

The only package that knows W&B. No state of W&B, of its server or of the network stops a stage: without a key
a run is kept offline in `wandb/` (`wandb leet` shows it, `wandb sync` uploads it); with a key, an unreachable
server costs `connection.CONNECT_SECONDS`, and then the same happens. The environment decides what changes no result:
WANDB_MODE, WANDB_PROJECT, WANDB_DIR, and all else that W&B reads. `docs/tracking.md` says what is logged where.
"""

from pipeline.tracking.reporting import Run, run

__all__ = ["Run", "run"]
