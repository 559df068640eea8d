"""What the results of a stage are made from: params, inputs and the code that matters, and how two such differ."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import BaseModel
from ruamel.yaml import YAML

from pipeline.params import Params

SAID = 3  # differences that are named


class Origin(NamedTuple):
    """All of it as plain data."""

    params: dict[str, Any]  # section.name -> value
    inputs: dict[str, str]  # path -> sha256
    code: dict[str, str]  # path -> sha256

    @classmethod
    def of(cls, stage: str, sections: Iterable[BaseModel], inputs: Iterable[Path]) -> Self:
        """What the stage would be made from now."""
        params = _flat({section_name(section): section.model_dump(mode="json") for section in sections})
        return cls(params, {path.as_posix(): _digest(path) for path in inputs}, _code(stage))

    @classmethod
    def read(cls, file: Path) -> Self | None:
        """What was written to a file; None where there is none that could be read."""
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def text(self) -> str:
        """As JSON."""
        return json.dumps(self._asdict(), indent=1, sort_keys=True)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that change with the params, the inputs' bytes or the code."""
        return hashlib.sha256(self.text().encode()).hexdigest()[:16]

    def unlike(self, earlier: "Origin") -> str:
        """How this differs from an earlier one: `train.batch_size was 32 and is 16, data/faces is another`."""
        said = []
        for name in sorted(self.params.keys() | earlier.params.keys()):
            was, is_ = (origin.params.get(name, "absent") for origin in (earlier, self))
            said += [f"{name} was {was} and is {is_}"] if was != is_ else []
        for ours, theirs in ((self.inputs, earlier.inputs), (self.code, earlier.code)):
            paths = sorted(ours.keys() | theirs.keys())
            said += [f"{path} is another" for path in paths if ours.get(path) != theirs.get(path)]
        more = f", and {len(said) - SAID} more" if len(said) > SAID else ""
        return ", ".join(said[:SAID]) + more


def section_name(section: BaseModel) -> str:
    """The section's name in params.yaml; that of the whole where it is a part of one."""
    names = {field.annotation: name for name, field in Params.model_fields.items()}
    wholes = (name for kind, name in names.items() if isinstance(kind, type) and issubclass(kind, type(section)))
    return names.get(type(section)) or next(wholes, type(section).__name__.lower())


def _flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in values.items():
        found |= _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
    return found


def _code(stage: str) -> dict[str, str]:
    """The code that dvc.yaml names as the stage's deps, which a test holds complete; all where there is no dvc.yaml."""
    project = Path(__file__).parent.parent
    described = project / "dvc.yaml"
    stages = YAML(typ="safe").load(described.read_text(encoding="utf-8"))["stages"] if described.exists() else {}
    deps = [dep for dep in stages.get(stage, {}).get("deps", []) if dep.startswith("pipeline/")] or ["pipeline"]
    files = (file for dep in deps for file in _files(project / dep))
    return {file.relative_to(project).as_posix(): _digest(file) for file in files}


def _files(path: Path) -> list[Path]:
    found = sorted(path.rglob("*")) if path.is_dir() else [path]
    return [file for file in found if file.is_file() and file.suffix != ".pyc"]


def _digest(path: Path) -> str:
    """Of a file its bytes, of a folder its files' names and bytes."""
    if path.is_file():
        with path.open("rb") as stream:
            return hashlib.file_digest(stream, "sha256").hexdigest()
    digest = hashlib.sha256()
    for file in _files(path):
        digest.update(f"{file.relative_to(path).as_posix()}\0{_digest(file)}\n".encode())
    return digest.hexdigest()
