"""I, A and G as ONNX: each alone, for any number of images, in one file."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from pipeline.applications.export.description import GRAPHS
from pipeline.errors import UserError

OPSET = 18  # the exporter's own: no conversion, which could round
LARGEST = 2**31 - 2**24  # bytes of weights: protobuf allows 2 GiB, and names need some of it


class _First(nn.Module):
    """f_I without the scores, mu without logvar."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.network = network

    def forward(self, x: Tensor) -> Tensor:
        return self.network(x)[0]


def modules(networks: Mapping[str, Any]) -> dict[str, nn.Module]:
    """File -> what it computes; on the CPU, laid out in memory as ONNX has it."""
    plain = {name: network.to("cpu", memory_format=torch.contiguous_format) for name, network in networks.items()}
    made = (_First(plain["identity"]), _First(plain["attributes"]), plain["generator"])
    return {file: module.eval() for file, module in zip(GRAPHS, made, strict=True)}


def graph(file: str, module: nn.Module, examples: tuple[Tensor, ...]) -> bytes:
    """One network as an ONNX file.

    Args:
        file: of GRAPHS, which names what goes in and what comes out.
        module: of `modules`.
        examples: inputs of at least two images; one would be taken for the only number there is.

    Raises:
        UserError: it is too large for one file.
    """
    size = sum(p.numel() * p.element_size() for p in module.parameters())
    if size > LARGEST:
        raise UserError(
            f"{file}: would have {size / 2**30:.1f} GiB, and one ONNX file has 2; train a smaller model.width"
        )
    inputs, output = GRAPHS[file]
    with _silence():
        program = torch.onnx.export(
            module,
            examples,
            dynamo=True,  # the older exporter knows no layer norm of a varying shape
            input_names=list(inputs),
            output_names=[output],
            dynamic_shapes=tuple({0: torch.export.Dim("batch", min=1)} for _ in inputs),
            opset_version=OPSET,
            verbose=False,
        )
    assert program is not None
    return _bare(program.model_proto)


def _bare(model) -> bytes:  # type: ignore[no-untyped-def]
    """Without the exporter's notes, which name files of this machine."""
    import onnx

    for noted in (model, model.graph, *model.graph.node, *model.graph.initializer, *model.graph.value_info):
        del noted.metadata_props[:]
        noted.doc_string = ""
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


@contextmanager
def _silence() -> Iterator[None]:
    """The exporter tells of what is not installed and of its own future."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
