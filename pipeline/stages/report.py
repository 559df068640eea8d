"""Put everything on one page: params, numbers, curves, pictures."""

import json

from pipeline import paths, provenance, tracking, work
from pipeline.applications.report import build
from pipeline.applications.taken import recorded
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
    sections = (data, model, pretrain, judge, losses, train, synthesize, evaluate)
    names = ("data", "model", "pretrain", "judge", "losses", "train", "synthesize", "evaluate")
    params = {name: section.model_dump() for name, section in zip(names, sections, strict=True)}
    metrics = {file.parent.name: json.loads(file.read_text()) for file in paths.METRICS}
    controls, groups = (json.loads(path.read_text()) for path in (paths.CONTROLS, paths.GROUPS))
    curves = {file.parent.parent.name: file for file in paths.CURVES if file.exists()}

    with (
        work.building("report", *sections) as w,
        tracking.run("report", *sections, record=paths.REPORT_RUN) as track,
    ):
        pictures = {"Recombinations of people that nothing was trained on": paths.GRID}
        shown = paths.EVALUATE_PICTURES | paths.PREPARE_PICTURES
        pictures |= {says: path for says, path in shown.items() if path.exists()}
        cases = [path for path in paths.CASES.glob("cases_*.png") if path not in shown.values()]
        grids = list(paths.TRAIN_GRIDS.glob("*.png"))
        environment, validation = provenance.environment(), paths.VALIDATION_CURVE
        page = build(
            "Facet",
            params,
            metrics,
            curves,
            pictures,
            environment,
            validation,
            grids,
            controls,
            groups,
            paths.EVALUATE_PLOTS,
            {file.parent.name: recorded(file) for file in paths.RUNS},
            cases,
        )
        (w / "index.html").write_text(page, encoding="utf-8")

        track.picture("report/grid", paths.GRID)
        work.publish(w / "index.html", paths.REPORT)
