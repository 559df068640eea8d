"""Networks on disk: safetensors, which load without running code, with the params that shape them in the header."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as serialized
from torch import nn

from pipeline.errors import UserError

FILE = "weights.safetensors"


class WeightsError(UserError):
    """A model file is missing, damaged, or of another shape than params."""


def save(folder: Path, networks: Mapping[str, nn.Module], facts: Mapping[str, Any]) -> None:
    """Write the networks as one file `folder/weights.safetensors`; `facts` (plain data) go into its header."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {f"{n}.{k}": t.contiguous() for n, net in networks.items() for k, t in net.state_dict().items()}
    part = folder / f"{FILE}.part"
    # Written by us, so that a full disk is an OSError.
    part.write_bytes(serialized(tensors, metadata={"facet": json.dumps(dict(facts), sort_keys=True)}))
    os.replace(part, folder / FILE)


def facts(folder: Path, how: str) -> dict[str, Any]:
    """What was said when the file was saved.

    Raises:
        WeightsError: the file is missing or damaged; `how` is the command that makes it.
    """
    try:
        with safe_open(folder / FILE, "pt") as file:
            return json.loads((file.metadata() or {})["facet"])
    except FileNotFoundError:
        raise WeightsError(
            f"{folder / FILE} is not there; make it with `{how}`, or fetch it with `dvc pull` where a DVC remote has it"
        ) from None
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(f"{folder / FILE} is damaged ({error}); `dvc checkout` or `{how} -f` restores it") from None


def load(folder: Path, networks: Mapping[str, nn.Module], how: str) -> None:
    """Fill the networks from `folder/weights.safetensors`.

    Raises:
        WeightsError: the file is missing, damaged, or its networks have other shapes.
    """
    facts(folder, how)
    with safe_open(folder / FILE, "pt") as file:
        for name, network in networks.items():
            prefix = f"{name}."
            found = {key.removeprefix(prefix) for key in file.keys() if key.startswith(prefix)}  # noqa: SIM118
            expected = network.state_dict()
            wrong = sorted(found ^ set(expected)) or [
                key for key, t in expected.items() if tuple(file.get_slice(prefix + key).get_shape()) != tuple(t.shape)
            ]
            if wrong:
                raise WeightsError(
                    f"{folder / FILE}: {name}.{wrong[0]} is not as params.yaml says (data.image_size, model.*); "
                    f"set params back or make the model again with `{how}`"
                )
            with torch.no_grad():
                network.load_state_dict({key: file.get_tensor(prefix + key) for key in expected})
