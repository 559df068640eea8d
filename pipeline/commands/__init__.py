"""The commands beside the stages, one module each: what it takes, and its function, imported when it is run."""

NAMES = (
    "recombine",
    "export",
    "evaluate_folder",
    "pairs",
    "rate",
    "inspect",
    "manifest",
    "fetch",
)
