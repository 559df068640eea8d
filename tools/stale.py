"""Whether the committed results are those of the code and the params beside them, as Markdown.

    python -m tools.stale

What DVC holds need not be here: a fresh clone, without a picture or a model, can tell as well. So `dvc status` is
asked; `dvc repro --dry --allow-missing` fails at the first stage that has changed and whose inputs are missing, and
gives no reason. The exit code is 0 either way: work on the code goes before the results.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tools.smoke import declared

ROOT = Path(__file__).resolve().parent.parent


def main() -> int:
    argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter).parse_args()
    env = {**os.environ, "DVC_NO_ANALYTICS": "1"}
    command = [sys.executable, "-m", "dvc", "status", "--json"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"stale: `dvc status` failed with exit code {done.returncode}\n{done.stderr}")
    made = set(declared(ROOT / "dvc.yaml"))
    stale = {stage: list(reasons(said, made)) for stage, said in json.loads(done.stdout or "{}").items()}
    stale = {stage: found for stage, found in stale.items() if found}
    if not stale:
        print("`dvc.lock` agrees with code and params: the committed results are theirs.")
        return 0
    print("The committed results are not those of this code and these params: `make repro` makes them anew.")
    print("\n| stage | what differs from `dvc.lock` |\n|---|---|")
    for stage, found in stale.items():
        print(f"| {stage} | {', '.join(f'`{reason}`' for reason in found)} |")
    return 0


def reasons(said: list[Any], made: set[str]) -> Iterator[str]:
    """What is not as it was when the stage ran, of `dvc status`'s entries on it; outputs need not be here."""
    for entry in said:
        if isinstance(entry, str):  # "changed command"
            yield entry
            continue
        for path, how in (item for changes in entry.values() for item in changes.items()):
            if isinstance(how, dict):  # a section of params -> how
                yield from (f"{path} {section}" for section in how)
            elif path not in made or how == "modified":
                yield path


if __name__ == "__main__":
    sys.exit(main())
