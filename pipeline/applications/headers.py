"""What a model file says of itself, checked before memory is given to what it asks for."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from pipeline import paths
from pipeline.applications.export import description
from pipeline.datasets.faces import Cut
from pipeline.methods import ipgan_networks
from pipeline.params import Model
from pipeline.training import weights

HOW = "dvc repro train"
NETWORKS = ("identity", "attributes", "generator")


def check(
    folder: Path, networks: Callable[..., Any] = ipgan_networks.networks, names: Sequence[str] = NETWORKS
) -> None:
    """See that the networks which the header asks for are those that the file holds.

    A few bytes could ask for networks of any size; here none is made before it is known to be as large as the file.

    Args:
        folder: with the file.
        networks: of the method, fresh ones.
        names: those of them that are used.

    Raises:
        WeightsError: the file is missing, damaged, of another version, or asks for something else.
    """
    path, said = folder / weights.FILE, facts(folder)
    if "people" in said and networks is ipgan_networks.networks:
        raise weights.WeightsError(
            f"{path}: this model is a CVAE-GAN, which knows its own people alone (`python -m pipeline inpaint`): "
            "train one for anybody with `dvc exp run -S model.method=ipgan`"
        )
    try:
        wanted = _shapes(said, networks, names)
    except (KeyError, TypeError, ValueError, RecursionError, OverflowError, RuntimeError) as error:
        raise _unreadable(path, error) from None
    with safe_open(path, "pt") as file:
        found = {key: list(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118
    for key, shape in wanted.items():
        if found.get(key) != shape:
            raise weights.WeightsError(
                f"{path}: {key} is not what its header says (got {found.get(key)}, not {shape}); it is damaged: "
                f"make it again with `{HOW} -f`, or fetch it again"
            )


def facts(folder: Path, how: str = HOW) -> dict[str, Any]:
    """What the header says, by name; nothing of it is checked yet.

    Args:
        folder: with the file.
        how: the command that makes it.

    Raises:
        WeightsError: the file is missing or damaged, or says something else than names and values.
    """
    _check_present(folder, how)
    try:
        said: Any = weights.facts(folder, how)
    except (TypeError, RecursionError) as error:
        raise _unreadable(folder / weights.FILE, error) from None
    except weights.WeightsError:
        if folder == paths.MODEL:
            raise  # which says how our own comes back
        raise weights.WeightsError(
            f"{folder / weights.FILE}: is damaged, or no model of Facet; fetch it again from whoever made it"
        ) from None
    if not isinstance(said, dict):
        raise _unreadable(folder / weights.FILE, TypeError())
    return said


def _check_present(folder: Path, how: str) -> None:
    """Raises WeightsError for a file that is missing: our own can be made, any other folder is one that was named."""
    path = folder / weights.FILE
    if path.exists():
        return
    if folder != paths.MODEL:
        raise weights.WeightsError(f"{path} is not there; name a folder that `train` or `export` wrote")
    make = f"`make repro` or `{HOW}`" if how == HOW else f"`{how}`"
    raise weights.WeightsError(
        f"{path} is not there; make it with {make}, or fetch it with `dvc pull` where a DVC remote has it"
    )


def _unreadable(path: Path, error: Exception) -> weights.WeightsError:
    return weights.WeightsError(
        f"{path}: its header does not say which networks these are ({type(error).__name__}); it is damaged or of "
        f"another version of Facet: make it again with `{HOW} -f`, or fetch it again"
    )


def _shapes(said: dict[str, Any], networks: Callable[..., Any], names: Sequence[str]) -> dict[str, list[int]]:
    """Of every tensor that the header asks for; no memory is taken."""
    cut, identities = Cut(**said["cut"]), said["identities"]
    for name, value in (*cut._asdict().items(), ("source", said["source"])):
        if not description.fits(name, value):
            raise ValueError(f"{name} is none that a model may have")
    if type(identities) is not int:
        raise ValueError("identities is no number")
    with torch.device("meta"):
        made = networks(Model.model_validate(said["model"]), cut.image_size, identities)
    return {f"{n}.{key}": list(t.shape) for n in names for key, t in made[n].state_dict().items()}
