"""The model card: what a stranger has to know before using an exported model."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2

from pipeline import paths, provenance
from pipeline.applications.export.description import Description
from pipeline.errors import UserError

TEMPLATE = Path(__file__).with_name("card.md.j2")
FIGURES = {
    "identity/top1": "taken for the subject, among the people that nothing was trained on",
    "identity/top1_real": "the same of real images: the ceiling",
    "identity/top1_sample": "taken for the person of the sample",
    "identity/cosine_subject": "likeness to the subject, as the judge sees it",
    "identity/cosine_unrelated": "likeness to anyone else",
    "attributes/yaw_error": "degrees between the sample's yaw and that of the answer",
    "attributes/yaw_error_real": "the judge's own error on the samples",
    "truth/psnr": "dB to the true recombination",
    "realism/fd_judge": "Fréchet distance to real images",
    "uncanniness/auc": "a fresh classifier tells answers from real images; 0.5 is a guess",
    "memorisation/copies": "nearer to a training image than 99 % of real images are",
}
HEADS = "rendered heads, parametric 3-D people: no photograph of anybody. It does badly on photographs"
LICENCE = "Apache-2.0, as Facet"
TERMS = "the terms of the photographs hold as well: whoever passes the model on names them here"


def card(said: Description, identities: int, model: Path) -> str:
    """In Markdown, with the figures of results/evaluate where DVC has recorded that they are of this model.

    Args:
        said: model.json.
        identities: people that it was trained on.
        model: the folder that is exported.

    Raises:
        UserError: the results are no JSON files.
    """
    measured, rendered = evaluated(model), said.source == "rendered"
    template = jinja2.Environment(undefined=jinja2.StrictUndefined, keep_trailing_newline=True).from_string(
        TEMPLATE.read_text(encoding="utf-8")
    )
    return template.render(
        said=said,
        identities=identities,
        trained_on=HEADS if rendered else f"photographs ({said.source})",
        licence=LICENCE if rendered else f"{LICENCE}; {TERMS}",
        figures=figures() if measured else "",
        figures_file=paths.EVALUATE_METRICS,
        biases=biases() if measured else "",
        biases_file=paths.GROUPS,
    )


def evaluated(model: Path) -> bool:
    """Whether what lies in results/evaluate was measured with this very model, as dvc.lock has it."""
    last = provenance.recorded("evaluate")
    files = {paths.MODEL: model, paths.EVALUATE_METRICS: paths.EVALUATE_METRICS, paths.GROUPS: paths.GROUPS}
    return all(path.exists() and last.get(name.as_posix()) == provenance.md5(path) for name, path in files.items())


def figures() -> str:
    """What `evaluate` has measured, as a table."""
    found = _read(paths.EVALUATE_METRICS)
    rows = [f"| `{key}` | {meaning} | {_number(found[key])} |" for key, meaning in FIGURES.items() if key in found]
    return "\n".join(["| metric | is | value |", "|---|---|---|", *rows])


def biases() -> str:
    """How often each group of subjects is recognised in what is made of them, and in real images of them."""
    rows = []
    for group, found in sorted(_read(paths.GROUPS).items()):
        told = [_number(found[key]) for key in ("identity/top1", "identity/top1_real") if key in found]
        rows += [f"| {group.replace('_', ' ')} | {' | '.join(told)} |"] if len(told) == 2 else []
    return "\n".join(["| subjects | identity/top1 | of real images |", "|---|---|---|", *rows])


def _number(value: Any) -> str:
    """With its interval, where that is known."""
    if isinstance(value, Mapping):
        return f"{value['value']:.3g} ({value['low']:.3g} to {value['high']:.3g})"
    return f"{value:.3g}"


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_bytes())
    except (OSError, ValueError):
        raise UserError(f"{path}: cannot be read; `git checkout {path}` restores it") from None
