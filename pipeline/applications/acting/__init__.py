"""`python -m pipeline act`: a film of a stand-in becomes one of the subject."""

from importlib.util import find_spec

from pipeline.errors import UserError

if find_spec("av") is None:
    raise UserError(
        "act reads and writes films with PyAV, which is not installed: `pip install av`, or the extra `video`"
    )
