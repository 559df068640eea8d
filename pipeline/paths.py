"""Every file that a stage reads or writes, relative to the repository root (as in dvc.yaml)."""

from pathlib import Path

FACES = Path("data/faces")  # tar shards of aligned crops
INDEX = FACES / "index.parquet"  # one row a face
REJECTS = FACES / "rejects.parquet"  # one row a photograph that is not used

RECOGNISER = Path("models/pretrain")  # the start of I and C
JUDGE = Path("models/judge")
MODEL = Path("models/train")  # the networks of the method

SYNTHESIZED = Path("results/synthesize/faces")  # tar shards of x' with a Parquet index of pairs
GRID = Path("results/synthesize/grid.png")
CASES = Path("results/evaluate/cases.parquet")  # one row a pair: what each metric says of it
REPORT = Path("results/report/index.html")

PREPARE_METRICS = Path("results/prepare/metrics.json")
PRETRAIN_METRICS = Path("results/pretrain/metrics.json")
PRETRAIN_CURVE = Path("results/pretrain/plots/curve.csv")
JUDGE_METRICS = Path("results/judge/metrics.json")
JUDGE_CURVE = Path("results/judge/plots/curve.csv")
TRAIN_METRICS = Path("results/train/metrics.json")
TRAIN_CURVE = Path("results/train/plots/curve.csv")
SYNTHESIZE_METRICS = Path("results/synthesize/metrics.json")
EVALUATE_METRICS = Path("results/evaluate/metrics.json")
ATTRIBUTE_ERRORS = Path("results/evaluate/plots/attributes.csv")
