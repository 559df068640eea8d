"""Score the recombinations: identity, attributes, truth and realism, all on people of the test split."""

from pipeline import assets, paths, tracking, work
from pipeline.applications import evaluation, judging
from pipeline.datasets.protocol import protocol
from pipeline.datasets.shards import Faces, write_table
from pipeline.params import Data, Evaluate, Judge


def run(data: Data, judge: Judge, evaluate: Evaluate) -> None:
    faces = Faces(paths.FACES)
    people = protocol(faces, "test", evaluate.gallery)
    court = judging.load(data, judge, paths.JUDGE)
    inception = next(iter(assets.locate("inception").values())) if evaluate.inception == "on" else None

    sections, inputs = (data, judge, evaluate), (paths.FACES, paths.JUDGE, paths.SYNTHESIZED)
    with tracking.run("evaluate", *sections) as track, work.building("evaluate", *sections, inputs=inputs) as w:
        material = evaluation.gather(court, faces, people, Faces(paths.SYNTHESIZED, "dvc repro synthesize"))
        values, columns = evaluation.identity(court, material)
        for score in (evaluation.attributes(court, material), evaluation.truth(material)):
            values |= score[0]
            columns |= score[1]
        values |= evaluation.realism(material, inception)
        write_table(w / "cases.parquet", evaluation.cases(material, columns))

        track.metrics(paths.EVALUATE_METRICS, values, evaluation.not_measured(values))
        work.publish(w / "cases.parquet", paths.CASES)
