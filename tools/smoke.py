"""Run dvc.yaml to its last line with the reduced params of profiles/smoke, in a temporary clone.

    python tools/smoke.py [KEY=VALUE ...]    further settings, as for `dvc exp run -S`

The clone gets the workspace as it is (uncommitted, untracked and deleted files too), an identity and a DVC
cache of its own: workspace, dvc.lock, cache and git refs stay untouched, and an empty home folder is enough.
It is removed at the end. FACET_KEEP=1 keeps it; FACET_KEEP=DIR keeps its results, metrics and report, as that new
folder. Exit code: the pipeline's; 1 if a declared output is missing.
"""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
# What tells git, DVC and W&B where to work belongs to whoever calls us, not to the clone.
FOREIGN = ("GIT_", "DVC_", "WANDB_")


def main(settings: list[str]) -> int:
    start = time.monotonic()
    # Stopped from outside, the clone is removed and the stages are stopped all the same.
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    keep = os.environ.get("FACET_KEEP", "")
    results = Path(keep) if keep not in ("", "0", "1") else None
    if results and os.path.lexists(results):
        print(f"smoke: FACET_KEEP names {results}, which is there already: name a new folder", file=sys.stderr)
        return 2
    place = Path(tempfile.mkdtemp(prefix="facet-smoke-"))
    clone = place / "facet"
    try:
        copy_workspace(clone)
        overrides = [*shlex.split((ROOT / "profiles/smoke").read_text()), *(f"-S{s}" for s in settings)]
        code = run(["dvc", "exp", "run", *overrides], clone, isolated(place))
        missing = [path for path in declared(clone / "dvc.yaml") if not written(clone / path)]
        if results and code == 0:  # before the last stage, some of them are still the workspace's
            publish(clone / "results", results)
    finally:
        if keep != "1":
            shutil.rmtree(place, ignore_errors=True)
    for path in missing if code == 0 else ():
        print(f"smoke: dvc.yaml declares {path}, but no stage wrote it", file=sys.stderr)
    code = code or (1 if missing else 0)
    took = f"{time.monotonic() - start:.0f} s"
    print(f"smoke: {'every declared output is written' if code == 0 else f'exit code {code}'}; {took}")
    if results and code == 0:
        print(f"smoke: metrics and {results / 'report/index.html'} are kept")
    print(f"smoke: kept {clone}" if keep == "1" else "smoke: the clone is removed (FACET_KEEP=1 keeps it)")
    return code


def publish(folder: Path, to: Path) -> None:
    """Copy a folder; under its name it is there as a whole or not at all."""
    to.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{to.name}-", dir=to.parent))
    try:
        shutil.copytree(folder, draft, dirs_exist_ok=True)
        draft.chmod(folder.stat().st_mode & 0o777)  # mkdtemp's is nobody's but ours
        draft.rename(to)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def copy_workspace(clone: Path) -> None:
    """Clone the repository and make the clone's files those of the workspace, in a commit of its own."""
    git("clone", "--quiet", "--no-hardlinks", str(ROOT), str(clone), cwd=ROOT)
    for name in git("ls-files", "-z", cwd=clone):
        (clone / name).unlink()
    files = git("ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", cwd=ROOT)
    for name in files:
        if os.path.lexists(ROOT / name):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, clone / name, follow_symlinks=False)
    # In the clone's own configuration: DVC reads git's configuration through three libraries.
    for key, value in {
        "user.name": "smoke",
        "user.email": "smoke@localhost",
        "commit.gpgsign": "false",
        "core.hooksPath": os.devnull,
    }.items():
        git("config", key, value, cwd=clone)
    git("add", "--all", cwd=clone)
    git("commit", "--quiet", "--allow-empty", "--message", "The workspace", cwd=clone)


def git(*arguments: str, cwd: Path) -> list[str]:
    """What git prints, split at NUL."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    command = ["git", *arguments]
    done = subprocess.run(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode:
        sys.exit(f"smoke: '{' '.join(command)}' failed in {cwd} with exit code {done.returncode}")
    return [part for part in done.stdout.split("\0") if part]


def isolated(place: Path) -> dict[str, str]:
    """An environment in which DVC and W&B keep everything under `place` and send nothing."""
    env = {name: value for name, value in os.environ.items() if not name.startswith(FOREIGN)}
    env.pop("FACET_WORK", None)  # a smoke run resumes nothing
    if env.get("FACET_ASSETS"):
        env["FACET_ASSETS"] = str(Path(env["FACET_ASSETS"]).resolve())  # the stages run in the clone
    state = place / "state"
    for tool, kinds in {
        "DVC": ("SITE_CACHE", "GLOBAL_CONFIG", "SYSTEM_CONFIG"),
        "WANDB": ("", "CACHE", "CONFIG", "DATA"),
    }.items():
        for kind in kinds:
            folder = state / tool.lower() / kind.lower()
            folder.mkdir(parents=True, exist_ok=True)
            env["_".join(filter(None, (tool, kind, "DIR")))] = str(folder)
    env |= {"DVC_NO_ANALYTICS": "1", "DVC_STUDIO_OFFLINE": "1"}
    env |= {"WANDB_MODE": "offline", "WANDB_ERROR_REPORTING": "false"}
    # The python and dvc of the environment that runs this file.
    env["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{env.get('PATH', os.defpath)}"
    return env


def run(command: list[str], folder: Path, env: Mapping[str, str]) -> int:
    """Run to the end; when we are stopped, stop it with everything it started."""
    process = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, start_new_session=True)
    try:
        return process.wait()
    except BaseException:  # Ctrl-C, SIGTERM: DVC would leave its stage running
        for sent, patience in ((signal.SIGTERM, 10), (signal.SIGKILL, 10)):
            try:
                os.killpg(process.pid, sent)
                process.wait(patience)
            except (ProcessLookupError, subprocess.TimeoutExpired):
                continue
        raise


def declared(dvc_yaml: Path) -> Iterator[str]:
    """Every file and folder that a stage of dvc.yaml says it writes."""
    for stage in YAML(typ="safe").load(dvc_yaml.read_text())["stages"].values():
        for kind in ("outs", "metrics", "plots"):
            for entry in stage.get(kind, ()):
                yield entry if isinstance(entry, str) else next(iter(entry))


def written(path: Path) -> bool:
    """It is there and not empty."""
    return any(path.iterdir()) if path.is_dir() else path.is_file() and path.stat().st_size > 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
