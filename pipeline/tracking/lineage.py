"""Which data made which number: what a stage used and made, as artifacts of W&B.

An artifact of one path with one DVC md5 has one digest, whoever makes it and in which run: the digest follows from
the names and md5s in its manifest. So a run that used data/faces says so with an artifact of its own making, and the
server finds the version that `prepare` made, be that today, or years ago because DVC skipped it since, or still in an
offline run that is uploaded later. The bytes are DVC's; W&B keeps names, md5s and where the files lay.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipeline.tracking.connection import project_root

if TYPE_CHECKING:  # takes seconds to import
    import wandb

TYPES = {"data": "dataset", "models": "model", "results": "result"}  # folder -> what the dashboard calls it


def artifact_name(path: str) -> str:
    """data/faces -> faces, results/synthesize/faces -> synthesize-faces."""
    return "-".join(Path(path).parts[1:])


def used(run: "wandb.Run", path: str, md5: str) -> None:
    """The run was given this."""
    send(run, _artifact(path, md5, {}), made=False)


def made(run: "wandb.Run", path: str, md5: str, metadata: Mapping[str, Any]) -> None:
    """The run made this, and what is in it."""
    send(run, _artifact(path, md5, metadata), made=True)


def _artifact(path: str, md5: str, metadata: Mapping[str, Any]) -> "wandb.Artifact":
    import wandb
    from wandb.sdk.artifacts.artifact_manifest_entry import ArtifactManifestEntry
    from wandb.sdk.lib.paths import LogicalPath

    kind = TYPES.get(Path(path).parts[0], "result")
    artifact = wandb.Artifact(artifact_name(path), type=kind, metadata={"path": path, "dvc_md5": md5, **metadata})
    where = (project_root() / path).as_uri()
    artifact.manifest.add_entry(
        ArtifactManifestEntry(path=LogicalPath(path), digest=md5, ref=where, size=_size(Path(path)))
    )
    artifact.finalize()
    return artifact


def send(run: "wandb.Run", artifact: "wandb.Artifact", made: bool) -> None:
    """Hand it to W&B's service, which uploads it beside the stage, or keeps it for `wandb sync`.

    Not by `use_artifact`, which refuses to work offline and waits for the server without end, nor by `log_artifact`,
    which asks the server first: a stage waits for nobody.
    """
    if run._interface is not None:
        aliases = ["latest"] if made else []
        run._interface.publish_artifact(run, artifact, aliases, is_user_created=not made, use_after_commit=not made)


def _size(path: Path) -> int:
    """Bytes."""
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.stat().st_size for file in files if file.is_file())
