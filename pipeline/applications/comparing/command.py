"""`python -m pipeline compare`: the table, and the page beside it."""

import os
from collections.abc import Sequence
from pathlib import Path

from pipeline.applications.comparing import page, table
from pipeline.applications.comparing.sources import named
from pipeline.errors import UserError


def compare(
    names: Sequence[str], out: Path, everything: bool = False, plain: bool = False, width: int | None = None
) -> str:
    """Write the page, and return the table.

    Args:
        names: of experiments; none are HEAD, the workspace, and DVC's experiments on HEAD.
        out: the page.
        everything: all metrics, and not the chosen ones, in the table.
        plain: the table as JSON, which has everything.
        width: of the terminal.

    Raises:
        UserError: a name means nothing or has no metrics, or the page cannot be written.
    """
    experiments = named(names)
    _write(out, page.build(experiments, names))
    return table.as_json(experiments) if plain else table.as_text(experiments, everything, width)


def _write(out: Path, text: str) -> None:
    """Under a temporary name first."""
    part = out.with_name(f".{out.name}.part")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8")
        os.replace(part, out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}): name another file as --out") from None
    finally:
        if part.is_file():
            part.unlink()
