"""Graphs of an exported folder as onnxruntime runs them; whatever is not exactly what we wrote is refused."""

import hashlib
from pathlib import Path
from typing import Any

import onnxruntime

from pipeline.applications.export.description import AGAIN, GRAPHS, Description, ModelError, content

LARGEST = 2**31 - 1  # bytes of a graph: what protobuf allows
# A tensor that lies in another file says where under this key: a graph without these bytes has none. Ours have none.
ELSEWHERE = b"location"


def opened(folder: Path, said: Description, threads: int) -> dict[str, onnxruntime.InferenceSession]:
    """File -> session, each with the inputs and the output that model.json says.

    Args:
        folder: where the files are.
        said: its model.json.
        threads: of a computation; 0: as many as there are cores.

    Raises:
        ModelError: a file is missing, damaged, of another model, or refers to other files.
    """
    return {name: _session(folder / name, said, threads) for name in GRAPHS}


def _session(path: Path, said: Description, threads: int) -> onnxruntime.InferenceSession:
    graph = content(path, LARGEST)
    if ELSEWHERE in graph:
        raise ModelError(f"{path}: refers to data in other files, which is refused; {AGAIN}")
    if hashlib.sha256(graph).hexdigest() != said.files[path.name]:
        raise ModelError(f"{path}: is damaged, or of another model than model.json; {AGAIN}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # what it would print, it raises too
    options.add_session_config_entry("session.load_model_format", "ONNX")
    try:
        session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class of their own in common
        raise ModelError(f"{path}: onnxruntime does not take it ({_first_line(error)}); {AGAIN}") from None
    _check(path, session, said)
    return session


def _check(path: Path, session: onnxruntime.InferenceSession, said: Description) -> None:
    inputs, output = GRAPHS[path.name]
    for found, names in ((session.get_inputs(), inputs), (session.get_outputs(), (output,))):
        wanted = [(name, said.shape(name)) for name in names]
        if [(t.name, t.shape[1:]) for t in found] != wanted or not all(_floats(t) for t in found):
            got = ", ".join(f"{t.name} {t.type} {t.shape}" for t in found)
            raise ModelError(f"{path}: its tensors are not those of model.json (got {got:.200}); {AGAIN}")


def _floats(tensor: Any) -> bool:
    """Of any number of images."""
    return tensor.type == "tensor(float)" and isinstance(tensor.shape[0], str)


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0][:200]
