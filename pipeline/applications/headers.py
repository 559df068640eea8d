"""What a model file says of itself, checked before memory is given to what it asks for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from pipeline.methods import ipgan
from pipeline.params import Model
from pipeline.training import weights

HOW = "dvc repro train"
NETWORKS = ("identity", "attributes", "generator")
SIDES = (8, 1024)  # of an image, in pixels


def check(folder: Path, networks: Callable[..., Any] = ipgan.networks, names: Sequence[str] = NETWORKS) -> None:
    """See that the networks which the header asks for are those that the file holds.

    A few bytes could ask for networks of any size; here none is made before it is known to be as large as the file.

    Args:
        folder: with the file.
        networks: of the method, fresh ones.
        names: those of them that are used.

    Raises:
        WeightsError: the file is missing, damaged, of another version, or asks for something else.
    """
    path = folder / weights.FILE
    try:
        wanted = _shapes(weights.facts(folder, HOW), networks, names)
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError, RuntimeError) as error:
        raise weights.WeightsError(
            f"{path}: its header does not say which networks these are ({type(error).__name__}); it is damaged or of "
            f"another version of Facet: make it again with `{HOW} -f`, or fetch it again"
        ) from None
    with safe_open(path, "pt") as file:
        found = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    for key, shape in wanted.items():
        if found.get(key) != shape:
            raise weights.WeightsError(
                f"{path}: {key} is not what its header says (got {found.get(key)}, not {shape}); it is damaged: "
                f"make it again with `{HOW} -f`, or fetch it again"
            )


def _shapes(facts: dict[str, Any], networks: Callable[..., Any], names: Sequence[str]) -> dict[str, list[int]]:
    """Of every tensor that the header asks for; no memory is taken."""
    side, identities = facts["cut"]["image_size"], facts["identities"]
    if type(side) is not int or type(identities) is not int or not SIDES[0] <= side <= SIDES[1]:
        raise ValueError("image_size and identities are no sizes")
    with torch.device("meta"):
        made = networks(Model.model_validate(facts["model"]), side, identities)
    return {f"{n}.{key}": list(t.shape) for n in names for key, t in made[n].state_dict().items()}
