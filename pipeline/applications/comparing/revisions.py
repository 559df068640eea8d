"""Experiments that git has: commits, branches, tags, DVC's experiments, and the files as they are now."""

import json
import re
import subprocess
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML, YAMLError

from pipeline import paths, provenance
from pipeline.applications.comparing.experiment import (
    ORIGIN,
    Curve,
    Experiment,
    curves,
    flat,
    measured,
    table_curves,
)
from pipeline.errors import UserError

WORKSPACE = "workspace"
PARAMS, LOCK = Path("params.yaml"), Path("dvc.lock")
CURVES = (*paths.CURVES, paths.VALIDATION_CURVE)
TABLES = (paths.EVALUATE_PLOTS / "roc.csv", paths.EVALUATE_PLOTS / "by_yaw.csv")
FILES = (PARAMS, LOCK, *paths.METRICS, *CURVES, *TABLES)
EXPERIMENT = re.compile(r"refs/exps/([0-9a-f]{2})/([0-9a-f]{38})/(.+)")  # DVC's: of the commit it stands on, and name
MD5 = re.compile(r"[0-9a-f]{32}")


def of_workspace() -> Experiment:
    """The files as they are.

    Raises:
        UserError: there are no metrics, or a file is damaged.
    """
    texts = {file: file.read_text(encoding="utf-8", errors="replace") for file in FILES if file.is_file()}
    picture = paths.GRID if paths.GRID.is_file() else None
    return _experiment(WORKSPACE, f"{provenance.revision()}: the files as they are", texts, picture)


def of_commit(name: str, commit: str) -> Experiment:
    """The files as a commit has them; the picture where DVC's cache has it.

    Args:
        name: what to call it.
        commit: its hash.

    Raises:
        UserError: there are no metrics, or a file is damaged.
    """
    texts = _contents(commit)
    short, day, subject = _git("log", "-1", "--format=%h%x09%cs%x09%s", commit).rstrip("\n").split("\t", 2)
    when = day if name == short else f"{short}, {day}"
    says = when if subject.startswith("dvc: commit experiment") else f"{when}: {subject}"
    return _experiment(name, says, texts, _cached(_outs(texts.get(LOCK, "")).get(paths.GRID.as_posix(), "")))


def commit_of(name: str) -> str | None:
    """The hash of what git or DVC calls so, of several experiments that on HEAD or the newest; None: neither does."""
    try:
        return _git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{name}^{{commit}}").strip()
    except UserError:
        pass
    head, found = _head(), [row for row in _experiments() if row[1] == name]
    found.sort(key=lambda row: row[0] != head)
    return found[0][2] if found else None


def experiments_on_head() -> dict[str, str]:
    """Name -> hash, of DVC's experiments on the current commit, the oldest first."""
    head = _head()
    return {name: commit for base, name, commit in reversed(_experiments()) if base == head}


def _head() -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", "HEAD").strip()
    except UserError:
        return ""


def _experiments() -> list[tuple[str, str, str]]:
    """The commit it stands on, name and hash of each, the newest first."""
    try:
        lines = _git("for-each-ref", "--sort=-creatordate", "--format=%(refname) %(objectname)", "refs/exps")
    except UserError:
        return []
    rows = (line.rsplit(" ", 1) for line in lines.splitlines())
    found = ((EXPERIMENT.fullmatch(ref), commit) for ref, commit in rows)
    return [(f"{match[1]}{match[2]}", match[3], commit) for match, commit in found if match]


def _contents(commit: str) -> dict[Path, str]:
    """Those of FILES that the commit has, by one process of git."""
    asked = "".join(f"{commit}:./{file.as_posix()}\n" for file in FILES).encode()
    answer = _run("cat-file", "--batch", given=asked)
    texts, at = {}, 0
    for file in FILES:
        header, _, _ = answer[at:].partition(b"\n")
        at += len(header) + 1
        if not header.endswith(b" missing"):
            size = int(header.split()[-1])
            texts[file] = answer[at : at + size].decode("utf-8", errors="replace")
            at += size + 1
    return texts


def _experiment(name: str, says: str, texts: Mapping[Path, str], picture: Path | None) -> Experiment:
    metrics: dict[str, Any] = {}
    for file in paths.METRICS:
        metrics |= _json(name, file, texts[file]) if file in texts else {}
    if not metrics:
        raise UserError(
            f"{name}: no results/*/metrics.json there: name a revision from "
            f"`git log --oneline -- {paths.EVALUATE_METRICS}`"
        )
    lines: dict[str, Curve] = {}
    for file in CURVES:
        lines |= curves(texts.get(file, ""))
    for file in TABLES:
        lines |= table_curves(file.stem, texts.get(file, ""))
    params = flat(_yaml(name, PARAMS, texts.get(PARAMS, "")))
    origin = {path: md5 for path, md5 in _outs(texts.get(LOCK, "")).items() if path in ORIGIN}
    return Experiment(name, says, params, measured(metrics), lines, origin, picture)


def _json(name: str, file: Path, text: str) -> dict[str, Any]:
    try:
        read = json.loads(text)
    except ValueError:
        read = None
    if not isinstance(read, dict):
        raise UserError(f"{name}: {file} is no JSON of metrics: `git checkout {file}` brings the committed one back")
    return read


def _yaml(name: str, file: Path, text: str) -> dict[str, Any]:
    try:
        read = YAML(typ="safe").load(text) or {}
    except YAMLError as error:
        raise UserError(f"{name}: {file} is no YAML: {str(error).splitlines()[0]}") from None
    return read if isinstance(read, dict) else {}


def _outs(lock: str) -> dict[str, str]:
    """Path -> md5, of what dvc.lock says that stages made."""
    try:
        stages = (YAML(typ="safe").load(lock) or {}).get("stages", {})
        return {out["path"]: out.get("md5", "") for stage in stages.values() for out in stage.get("outs", [])}
    except (YAMLError, AttributeError, KeyError, TypeError):
        return {}


def _cached(md5: str) -> Path | None:
    """The file in DVC's cache, if it is there; nothing is fetched from a remote."""
    cache = _cache() if MD5.fullmatch(md5) else None
    file = Path(cache.oid_to_path(md5)) if cache else None
    return file if file and file.is_file() else None


@cache
def _cache() -> Any:
    from dvc.exceptions import DvcException  # takes seconds to import
    from dvc.repo import Repo

    try:
        return Repo(".").cache.local
    except DvcException:
        return None


def _git(*arguments: str) -> str:
    return _run(*arguments).decode("utf-8", errors="replace")


def _run(*arguments: str, given: bytes | None = None) -> bytes:
    """What git answers.

    Raises:
        UserError: there is no git, no repository, or it does not know what it is asked for.
    """
    try:
        return subprocess.run(["git", *arguments], input=given, capture_output=True, check=True).stdout
    except FileNotFoundError:
        raise UserError("compare: git is not installed") from None
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode("utf-8", errors="replace").strip().splitlines()
        raise UserError(f"compare: git {arguments[0]}: {said[0] if said else 'failed'}") from None
