"""`python -m pipeline export`: one folder, checked against the original before it gets its name."""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn

from pipeline import paths
from pipeline.applications import headers, marks
from pipeline.applications.export import description, graphs
from pipeline.applications.export.card import card
from pipeline.applications.export.description import GRAPHS, Description
from pipeline.applications.face_model import FaceModel
from pipeline.applications.onnx_synthesizer import OnnxSynthesizer
from pipeline.applications.synthesizer import fingerprint
from pipeline.datasets import heads
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.photographs.alignment import TEMPLATE, framed
from pipeline.errors import UserError
from pipeline.training import weights

log = logging.getLogger(__name__)

LIMIT = 1e-3  # of a pixel in [-1, 1], an eighth of a level; of codes likewise, beside the largest
FACES = 8  # of each kind that it is checked with


def export(out: Path, folder: Path = paths.MODEL) -> dict[str, Any]:
    """Write the folder.

    Returns:
        What was written, and how far it is from the original.

    Raises:
        UserError: the model is missing, the place is taken, or the result is not what the model was.
    """
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: is there already; name another folder with --out, or remove it")
    headers.check(folder)
    model = FaceModel(folder)
    networks = graphs.modules(model.networks)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=out.parent, prefix=f".{out.name}.") as work:
            built = Path(work) / "built"
            built.mkdir()
            said = _write(built, folder, model, networks)
            found = check(OnnxSynthesizer(built), networks)
            built.rename(out)
    except OSError as error:
        raise UserError(f"{out}: cannot be written ({error.strerror}); choose another place with --out") from None
    told = ", ".join(f"{name} {value:.1e}" for name, value in found.items())
    log.info("%s: largest difference to the original: %s (pixels in [-1, 1])", out, told)
    return {"out": str(out), "model": said.fingerprint, "opset": said.opset, "largest_difference": found}


def _write(built: Path, folder: Path, model: FaceModel, networks: Mapping[str, nn.Module]) -> Description:
    dims = {
        "identity_dim": model.facts["model"]["identity_dim"],
        "attribute_dim": model.facts["model"]["attribute_dim"],
    }
    shutil.copyfile(folder / weights.FILE, built / weights.FILE)
    named = fingerprint(built / weights.FILE)
    said = Description(
        fingerprint=named,
        notice=marks.sentence(named),
        source=model.source,
        image_size=model.cut.image_size,
        margin=model.cut.margin,
        choose=model.cut.choose,
        # As short as float32 allows, rather than as float64 has it.
        template=tuple((float(str(x)), float(str(y))) for x, y in framed(TEMPLATE, model.cut.margin)),
        **dims,
        opset=graphs.OPSET,
        files={},
    )
    for name, network in networks.items():
        examples = tuple(torch.zeros(2, *said.shape(tensor)) for tensor in GRAPHS[name][0])
        graph = graphs.graph(name, network, examples)
        (built / name).write_bytes(graph)
        said.files[name] = hashlib.sha256(graph).hexdigest()
    (built / description.FILE).write_text(said.text(), encoding="utf-8")
    (built / "README.md").write_text(card(said, int(model.facts["identities"]), folder), encoding="utf-8")
    return said


@torch.inference_mode()
def check(made: OnnxSynthesizer, networks: Mapping[str, nn.Module]) -> dict[str, float]:
    """The largest difference of f_I, z and pixels, on noise and on rendered heads, in a batch and alone.

    Raises:
        UserError: it is above LIMIT.
    """
    I, A, G = networks.values()  # noqa: E741, as the paper has them
    images = _faces(made.image_size)
    x = to_tensor(images).contiguous()
    f_I, z = I(x), A(x)
    image = G(f_I, z.flip(0)).numpy()
    mine = (made.identity(images), made.attributes(images))
    alone = made.raw(made.identity(images[:1]), made.attributes(images[-1:]))
    found = {
        "f_I": _distance(mine[0], f_I.numpy(), float(f_I.abs().max())),
        "z": _distance(mine[1], z.numpy(), float(z.abs().max())),
        "pixels": max(_distance(made.raw(mine[0], mine[1][::-1]), image), _distance(alone, image[:1])),
    }
    for name, value in found.items():
        if not value <= LIMIT:  # nor is it where a weight is not finite
            raise UserError(
                f"export: {name} differs by {value:.2g} from the original, more than {LIMIT:g}: not written"
            )
    return found


def _distance(a: np.ndarray, b: np.ndarray, scale: float = 1.0) -> float:
    return float(np.abs(a - b).max()) / max(1.0, scale)


def _faces(side: int) -> np.ndarray:
    rng = np.random.default_rng(0)
    noise = rng.integers(0, 256, (FACES, side, side, 3), dtype=np.uint8)
    drawn = [heads.render(heads.sample_identity(rng), heads.sample_attributes(rng), side).image for _ in range(FACES)]
    return np.concatenate([noise, drawn])
