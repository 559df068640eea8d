"""The stages of the pipeline, in the order of dvc.yaml. One module each, of the same name."""

NAMES = ("prepare", "pretrain", "judge", "train", "synthesize", "evaluate", "report")
UNSHARED = ("prepare", "report")  # need no GPU; of several processes that torchrun or srun start, the first does them
