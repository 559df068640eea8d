"""Every file that a stage reads or writes, relative to the repository root (as in dvc.yaml)."""

from pathlib import Path

FACES = Path("data/faces")  # tar shards of aligned crops, index.parquet, rejects.parquet, copies.parquet
ACCEPTED_SHEET = Path("results/prepare/accepted.png")
REJECTED_SHEET = Path("results/prepare/rejected.png")
RECOGNISER = Path("models/pretrain")  # the start of I and C
JUDGE = Path("models/judge")
MODEL = Path("models/train")  # the networks of the method

TRAIN_GRIDS = Path("results/train/grids")  # the same recombinations after 000012345.png images

SYNTHESIZED = Path("results/synthesize/faces")  # tar shards of x' with an index of who was recombined with whom
GRID = Path("results/synthesize/grid.png")
CASES = Path("results/evaluate/cases")  # cases.parquet: a row a pair, what each metric says; pictures
PREPARE_PICTURES = {  # caption -> file
    "Of the faces that were prepared": ACCEPTED_SHEET,
    "Of the photographs that were turned down, with the reason": REJECTED_SHEET,
}
EVALUATE_PICTURES = {  # caption -> file, of those that the data knows enough for
    "The same, rendered: the true answers": CASES / "truth.png",
    "The worst six and the best six by likeness to the subject: subject, sample, answer, truth": CASES
    / "cases_cosine_subject.png",
    "Likewise by the error of yaw": CASES / "cases_yaw_error.png",
    "Likewise by the distance to the truth": CASES / "cases_psnr.png",
    "Photographs that are turned, and the same people brought to the front": CASES / "frontalization.png",
    "Morphs: a person a row, from the left sample to the right one": CASES / "morphing.png",
    "A performance; the subject's by the model; the subject's as it should be": CASES / "performance.png",
    "Faces most like a training image in the judge's eyes, and below each that image": CASES / "nearest.png",
}
DIRECTIONS = Path(".facet/directions")  # no stage's: what `edit` has found out of a model
RATINGS = Path("results/rate/ratings.csv")  # no stage's: what people said of synthesized faces
COMPARISON = Path("results/compare/index.html")  # no stage's: experiments side by side
REPORT = Path("results/report/index.html")

PREPARE_METRICS = Path("results/prepare/metrics.json")
PRETRAIN_METRICS = Path("results/pretrain/metrics.json")
JUDGE_METRICS = Path("results/judge/metrics.json")
TRAIN_METRICS = Path("results/train/metrics.json")
SYNTHESIZE_METRICS = Path("results/synthesize/metrics.json")
EVALUATE_METRICS = Path("results/evaluate/metrics.json")
HEADLINE = Path("results/evaluate/headline.json")  # few of these, for DVC, which makes a column of each number
CONTROLS = Path("results/evaluate/controls.json")  # the same metrics of systems whose score is known before
GROUPS = Path("results/evaluate/groups.json")  # and of the model by groups of subjects
METRICS = (
    PREPARE_METRICS,
    PRETRAIN_METRICS,
    JUDGE_METRICS,
    TRAIN_METRICS,
    SYNTHESIZE_METRICS,
    EVALUATE_METRICS,
)

# What it took to run each stage. No stage's dep, for no two runs write the same; the report shows what there is.
PREPARE_RUN = Path("results/prepare/run.json")
PRETRAIN_RUN = Path("results/pretrain/run.json")
JUDGE_RUN = Path("results/judge/run.json")
TRAIN_RUN = Path("results/train/run.json")
SYNTHESIZE_RUN = Path("results/synthesize/run.json")
EVALUATE_RUN = Path("results/evaluate/run.json")
REPORT_RUN = Path("results/report/run.json")
RUNS = (PREPARE_RUN, PRETRAIN_RUN, JUDGE_RUN, TRAIN_RUN, SYNTHESIZE_RUN, EVALUATE_RUN)

PREPARE_PLOTS = Path("results/prepare/plots")
PRETRAIN_CURVE = Path("results/pretrain/plots/curve.csv")
JUDGE_CURVE = Path("results/judge/plots/curve.csv")
TRAIN_CURVE = Path("results/train/plots/curve.csv")
VALIDATION_CURVE = Path("results/train/plots/validation.csv")
EVALUATE_PLOTS = Path("results/evaluate/plots")  # roc.csv, by_yaw.csv, frontalization.csv, nearest.csv
CURVES = (PRETRAIN_CURVE, JUDGE_CURVE, TRAIN_CURVE)
