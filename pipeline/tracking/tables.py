"""Tables of a run, for which nobody waits.

Of itself `run.log` asks the server about each table before it takes it: where that is silent, it waits for twenty
seconds and more, and leaves the table out of the run, so that `wandb sync` cannot bring it either.
"""

from typing import TYPE_CHECKING

from pipeline.tracking import lineage

if TYPE_CHECKING:  # takes seconds to import
    import wandb


def handed_over(run: "wandb.Run", key: str, table: "wandb.Table") -> "wandb.Table":
    """The table, which can be logged under the key now without anybody being asked.

    It is what `run.log` makes of one that it has not seen: an artifact, which holds its pictures too, and a file.
    """
    from wandb.sdk.artifacts._internal_artifact import InternalArtifact

    artifact = InternalArtifact(f"run-{run.id}-{key}", "run_table")
    artifact.add(table, key)
    artifact.finalize()
    lineage.send(run, artifact, made=True)
    table.bind_to_run(run, key, run.step)
    return table
