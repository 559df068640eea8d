"""The commands beside the stages, one module each: what it takes, and its function, imported when it is run."""

NAMES = (
    "recombine",
    "act",
    "frontalize",
    "morph",
    "edit",
    "inpaint",
    "augment",
    "detect_adversarial",
    "export",
    "demo",
    "compare",
    "dashboard",
    "evaluate_folder",
    "pairs",
    "rate",
    "inspect",
    "manifest",
    "fetch",
)
