"""The method that params name."""

from types import ModuleType

from pipeline.methods import cvaegan, ipgan


def chosen(method: str) -> ModuleType:
    """The method's module, with `networks`, `batches` and `build`."""
    return {"ipgan": ipgan, "cvaegan": cvaegan}[method]
