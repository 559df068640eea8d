"""The rows of `tools.bench` about an exported model: untrained networks of params.yaml's size, by torch and by ONNX."""

import functools
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from pipeline.applications.export.folder import export
from pipeline.applications.onnx_synthesizer import OnnxSynthesizer
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.faces import Cut
from pipeline.methods import ipgan_networks
from pipeline.params import load_params
from pipeline.training import weights

ROOT = Path(__file__).resolve().parent.parent
PEOPLE = 48


def untrained(folder: Path) -> Path:
    """Networks of params.yaml's size as `train` would write them."""
    params = load_params(ROOT / "params.yaml")
    networks = ipgan_networks.networks(params.model, params.data.image_size, PEOPLE)
    cut = Cut.of(params.data)._asdict()
    facts = {"identities": PEOPLE, "cut": cut, "source": "rendered", "model": params.model.model_dump()}
    weights.save(folder, networks, facts)
    return folder


@functools.cache
def _models(trained: Path | None) -> tuple[OnnxSynthesizer, FaceSynthesizer]:
    place = Path(tempfile.mkdtemp())
    model = trained or untrained(place / "model")
    export(place / "exported", model)
    by_onnx = OnnxSynthesizer(place / "exported", torch.get_num_threads())
    return by_onnx, FaceSynthesizer(model)


def ways(images: int, trained: Path | None = None) -> tuple[Callable[[], object], Callable[[], object]]:
    """I, A and G on so many images at once: ONNX, then torch; of a trained model, if one is named."""
    by_onnx, by_torch = _models(trained)
    side = by_onnx.image_size
    x = np.random.default_rng(0).integers(0, 256, (images, side, side, 3), dtype=np.uint8)
    return tuple(functools.partial(_recombine, model, x) for model in (by_onnx, by_torch))  # type: ignore[return-value]


def _recombine(model: OnnxSynthesizer | FaceSynthesizer, x: np.ndarray) -> np.ndarray:
    return model.synthesize(model.identity(x), model.attributes(x))
