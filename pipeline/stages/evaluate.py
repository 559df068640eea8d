"""Score the synthesized faces: identity, attributes, truth and realism, or what the method has of these."""

from pipeline import assets, paths, provenance, tracking, work
from pipeline.applications import judging
from pipeline.applications.evaluation import curves, extremes, scores, table
from pipeline.applications.evaluation.appointed import appointed, named, named_file
from pipeline.applications.evaluation.bench import bench
from pipeline.applications.evaluation.kept import Kept
from pipeline.applications.evaluation.material import MODEL, gather
from pipeline.applications.face_model import FaceModel
from pipeline.applications.synthesis import people_of
from pipeline.datasets.contact_sheet import write_png
from pipeline.datasets.shards import Faces, write_table
from pipeline.origin import Origin
from pipeline.params import Data, Evaluate, Judge, Model, Synthesize
from pipeline.settings import Settings


def run(data: Data, model: Model, judge: Judge, synthesize: Synthesize, evaluate: Evaluate) -> None:
    faces, synthesized = Faces(paths.FACES), Faces(paths.SYNTHESIZED, "dvc repro synthesize")
    people = people_of(faces, model.method, evaluate.gallery)
    network = FaceModel(paths.MODEL, model) if model.method == "ipgan" else None
    court = appointed(judging.load(data, judge, paths.JUDGE), evaluate, data, network)
    inception = assets.locate("inception").path if evaluate.inception == "on" else None

    sections = (data, model, judge, synthesize, evaluate)
    given = [path for path in (inception, named_file(evaluate)) if path]
    inputs = [paths.FACES, paths.JUDGE, paths.MODEL, paths.SYNTHESIZED, *given]
    # What is said of photographs and controls changes with the model where a part of the model says it.
    before = [paths.FACES, paths.JUDGE, *given, *([paths.MODEL] if court.took_part else [])]
    origin = Origin.of("evaluate", (data, judge, evaluate), before)
    kept = Kept(Settings.read().work / "seen" / f"{origin.fingerprint()}-{provenance.fingerprint()}")
    with (
        work.building("evaluate", *sections, inputs=inputs) as w,
        tracking.run("evaluate", *sections, record=paths.EVALUATE_RUN) as track,
    ):
        measured = bench(court, gather(court, faces, people, synthesized, inception, kept))
        kept.tidy()
        results = scores.everything(measured, network, kept)
        (w / "cases").mkdir(exist_ok=True)
        cases = table.cases(measured.material, named(results.model.columns, court))
        write_table(w / "cases" / "cases.parquet", cases)
        leading, others = extremes.rankings(measured, results.model.figures)
        track.pictured("evaluate/cases", *extremes.extremes(measured, leading + others, cases))
        pictures = table.pictures(measured, synthesize, network)
        for name, caption, picture in (*pictures, *extremes.pictures(measured, leading)):
            write_png(w / "cases" / f"{name}.png", picture)
            track.picture(f"evaluate/{name}", picture, caption)
        for name, _, picture in extremes.pictures(measured, others):  # on the page; W&B has the table
            write_png(w / "cases" / f"{name}.png", picture)
        for curve in curves.curves(measured, results.model.figures | results.others):
            track.table(paths.EVALUATE_PLOTS / f"{curve.name}.csv", curve.columns, curve.rows, curve.says)

        systems, groups = map(table.written, (results.systems, results.groups))
        values = table.plain(measured, systems.pop(MODEL), systems)
        track.metrics(paths.EVALUATE_METRICS, named(values, court), table.not_measured(values))
        track.headline(paths.HEADLINE, named(table.headline(values), court))
        for path, rows in ((paths.CONTROLS, systems), (paths.GROUPS, groups)):
            track.systems(path, {name: named(row, court) for name, row in rows.items()})
        work.publish(w / "cases", paths.CASES)
