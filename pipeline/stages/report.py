"""Put it all on one page."""

from pipeline import paths, provenance, tracking, work
from pipeline.applications import report
from pipeline.params import Data, Evaluate, Judge, Losses, Model, Recogniser, Synthesize, Train


def run(
    data: Data,
    model: Model,
    pretrain: Recogniser,
    judge: Judge,
    losses: Losses,
    train: Train,
    synthesize: Synthesize,
    evaluate: Evaluate,
) -> None:
    sections = {name: section.model_dump() for name, section in locals().items()}
