"""Templates of HTML pages, each beside the module that fills it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template


def template(file: Path, filters: Mapping[str, Callable[..., Any]]) -> Template:
    """A template with these filters beside jinja's own; a name that it is not given is an error."""
    made = Environment(
        loader=FileSystemLoader(file.parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= filters
    return made.get_template(file.name)
