"""Where faces come from: one module a source, named as `data.source` names it, each with `listing`."""

from importlib import import_module
from itertools import chain

from pipeline.datasets.faces import Listing
from pipeline.params import Data


def listing(data: Data) -> Listing:
    """The candidates of every source that `data` names, one after the other, then those without a name.

    Raises:
        UserError: at once, if the place of a source is not as it should be.
    """
    modules = [import_module(f"pipeline.datasets.sources.{name}") for name in (*data.source, "unlabelled")]
    return chain.from_iterable([module.listing(data) for module in modules])
