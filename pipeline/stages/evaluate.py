"""Score the synthesized faces: identity, attributes, truth and realism, or what the method has of these."""

from pipeline import assets, paths, tracking, work
from pipeline.applications import judging
from pipeline.applications.evaluation import scores, table
from pipeline.applications.evaluation.material import MODEL, gather
from pipeline.applications.synthesis import people_of
from pipeline.datasets.contact_sheet import write_png
from pipeline.datasets.shards import Faces, write_table
from pipeline.params import Data, Evaluate, Judge, Model, Synthesize


def run(data: Data, model: Model, judge: Judge, synthesize: Synthesize, evaluate: Evaluate) -> None:
    faces, synthesized = Faces(paths.FACES), Faces(paths.SYNTHESIZED, "dvc repro synthesize")
    people = people_of(faces, model.method, evaluate.gallery)
    court = judging.load(data, judge, paths.JUDGE)
    inception = assets.locate("inception").path if evaluate.inception == "on" else None

    sections, inputs = (data, model, judge, synthesize, evaluate), (paths.FACES, paths.JUDGE, paths.SYNTHESIZED)
    with tracking.run("evaluate", *sections) as track, work.building("evaluate", *sections, inputs=inputs) as w:
        material = gather(court, faces, people, synthesized, inception)
        score, prepared = (
            scores.recombinations if model.method == "ipgan" else scores.classes,
            scores.bench(court, material),
        )
        scored = {name: score(prepared, answers) for name, answers in material.answers.items()}
        controls = {name: table.written(values) for name, (values, _) in scored.items()}
        values, columns = controls.pop(MODEL), scored[MODEL][1]
        (w / "cases").mkdir(exist_ok=True)
        write_table(w / "cases" / "cases.parquet", table.cases(material, columns))
        true_grid = table.true_grid(faces, people, synthesize) if model.method == "ipgan" else None
        if true_grid is not None:
            write_png(w / "cases" / "truth.png", true_grid)
            track.picture("evaluate/truth", true_grid, "the true answers to synthesize/grid")

        values |= table.trivial(controls) | table.counts(material)
        track.metrics(paths.EVALUATE_METRICS, values, table.not_measured(values))
        track.systems(paths.CONTROLS, controls)
        work.publish(w / "cases", paths.CASES)
