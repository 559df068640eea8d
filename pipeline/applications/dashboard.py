"""What a person sees first of this project's runs in W&B: a workspace with a section a stage, and a comparison."""

from pipeline import paths
from pipeline.tracking import dashboards
from pipeline.tracking.panels import Bars, Comparer, Drawn, Lines, Parallel, Pictures, Rows, Section

TITLE = "Facet"
SAYS = (
    "Experiments beside one another. A bar is one trained model. Its interval, which the summary of the run and "
    "results/evaluate/metrics.json have beside it, says which differences mean something."
)
IDENTITY = Bars(
    "taken for the subject, among all people of the test split",
    ("identity/top1.value", "identity/top1_real.value", "identity/top1_sample.value"),
)
CLOSED_SET = Bars(
    "CVAE-GAN: taken for its person, among all people of the train split",
    ("closed_set/top1.value", "closed_set/top1_real.value"),
)
LIKENESS = Bars(
    "likeness to the subject, the sample's person, anyone else",
    ("identity/cosine_subject.value", "identity/cosine_sample.value", "identity/cosine_unrelated.value"),
)
ATTRIBUTES = Bars(
    "error of the sample's yaw in degrees: the model's, the judge's own, a random face's",
    ("attributes/yaw_error.value", "attributes/yaw_error_real.value", "attributes/yaw_error_unrelated.value"),
)
TRUTH = Bars(
    "dB to the true recombination: the model, and answers that anyone could give",
    ("truth/psnr.value", "truth/psnr_sample.value", "truth/psnr_subject.value", "truth/psnr_mean_face.value"),
)
REALISM = Bars("Fréchet distance of the judge's features", ("realism/fd_judge.value",))
SWAPS = Lines(
    "is a swap happening: likeness to the subject, the sample's person, anyone else",
    ("val/own_subject", "val/own_sample", "val/own_unrelated"),
)
GRID = Pictures("recombinations: a row a person, a column a sample", ("synthesize/grid",))
CASES = tuple(f"evaluate/{picture.stem}" for picture in paths.EVALUATE_PICTURES.values())

WORKSPACE = (
    Section(
        "Results",
        None,
        (
            IDENTITY,
            TRUTH,
            ATTRIBUTES,
            GRID,
            Parallel(
                "params and what came of them, for each evaluation",
                ("model.width", "model.identity_dim", "model.attribute_dim"),
                ("identity/top1.value", "attributes/yaw_error.value", "truth/psnr.value", "realism/fd_judge.value"),
            ),
            Comparer(),
        ),
    ),
    Section(
        "prepare",
        "prepare",
        (
            Pictures("faces as they were cut", ("prepare/accepted",)),
            Pictures("what is not used, by reason", ("prepare/rejected",)),
            Bars("images by split", tuple(f"prepare/images/{split}" for split in ("train", "judge", "val", "test"))),
            Rows("prepare/rejects/rows"),
            Rows("prepare/splits/rows"),
        ),
    ),
    Section(
        "pretrain",
        "pretrain",
        (
            Lines("loss", ("pretrain/loss",)),
            Lines("share of the batch recognised", ("pretrain/top1",)),
            Bars("unseen people recognised", ("pretrain/top1_val",)),
            Pictures("what the recogniser is shown", ("pretrain/batch",)),
        ),
    ),
    Section(
        "judge",
        "judge",
        (
            Lines("loss", ("judge/loss", "judge/attribute_loss")),
            Lines("share of the batch recognised", ("judge/top1",)),
            Bars("unseen people recognised", ("judge/top1_val",)),
            Bars("its error of yaw, degrees", ("judge/yaw_error",)),
            Pictures("people it is checked on", ("judge/faces",)),
        ),
    ),
    Section(
        "train",
        "train",
        (
            SWAPS,
            Lines("truth while training, dB", ("val/psnr",)),
            Lines("reconstruction, pairs of one person and of two", ("train/L_GR_same", "train/L_GR_cross")),
            Lines("identity and z", ("train/L_GC", "train/L_KL")),
            Pictures("the same recombinations over time", ("val/grid",)),
        ),
    ),
    Section("synthesize", "synthesize", (GRID, Bars("images", ("synthesize/images",)))),
    Section(
        "evaluate",
        "evaluate",
        (
            IDENTITY,
            LIKENESS,
            CLOSED_SET,
            ATTRIBUTES,
            TRUTH,
            REALISM,
            Bars("a fresh classifier tells them from real images; 0.5 is a guess", ("uncanniness/auc.value",)),
            Drawn("evaluate/roc"),
            Drawn("evaluate/by_yaw"),
            Pictures("worst and best cases, and what else the model does", CASES),
            Rows("evaluate/cases"),
            Rows("evaluate/controls"),
            Rows("evaluate/groups"),
        ),
    ),
)
COMPARISON = (
    Section("Grid beside grid", "synthesize", (GRID,)),
    Section("Numbers", "evaluate", (IDENTITY, LIKENESS, CLOSED_SET, ATTRIBUTES, TRUTH, REALISM, Drawn("evaluate/roc"))),
    Section(
        "Which setting did it",
        "train",
        (
            Parallel(
                "params of the training and how it ended on people of the val split",
                ("train.images", "train.batch_size", "model.width", "losses.ipgan.cross", "losses.ipgan.feature_C"),
                ("val/own_subject", "val/own_sample", "val/psnr"),
            ),
            SWAPS,
            Comparer(),
        ),
    ),
)


def dashboard() -> list[str]:
    """Save both on the server: their addresses."""
    return dashboards.publish(TITLE, SAYS, WORKSPACE, COMPARISON)
