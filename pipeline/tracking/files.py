"""What DVC reads of a stage: JSON and CSV, written whole or not at all."""

import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # takes seconds to import
    from torch import Tensor


def as_json(values: "Mapping[str, float | Tensor | Mapping[str, float]]") -> dict[str, Any]:
    """Plain floats."""
    return {k: dict(as_json(v)) if isinstance(v, Mapping) else float(v) for k, v in values.items()}


def finite(value: float | Mapping[str, float]) -> bool:
    return all(map(finite, value.values())) if isinstance(value, Mapping) else math.isfinite(value)


def number(value: Any) -> float | None:
    """A number without its interval."""
    return value["value"] if isinstance(value, Mapping) else value


def write(path: Path, text: str) -> None:
    """Under a temporary name first: on a full disk the last good file stays."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_text(text + "\n", encoding="utf-8")
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
