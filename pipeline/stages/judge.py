"""Get the judge ready: train it on people the generator never sees, or check the ones that photographs have."""

from pipeline import paths, tracking, work
from pipeline.applications import judging
from pipeline.applications.judge_making import make
from pipeline.datasets.contact_sheet import contact_sheet
from pipeline.datasets.shards import Faces
from pipeline.params import Data, Judge
from pipeline.training.trainer import Fit


def run(data: Data, judge: Judge) -> None:
    faces = Faces(paths.FACES)

    sections, inputs = (data, judge), [paths.FACES]
    with (
        work.building("judge", *sections, inputs=inputs) as w,
        tracking.run("judge", *sections, folder=w, record=paths.JUDGE_RUN) as track,
    ):
        fit = Fit("judge", w, judge.images, judge.batch_size, judge.precision, track.log)
        make(data, judge, faces, fit, w / "model")
        track.went_on(fit.resume.batches_done * judge.batch_size)
        verdicts = judging.scores(judging.load(data, judge, w / "model"), faces, "val")

        track.picture("judge/faces", contact_sheet(faces, split="val"), "people it is checked on")
        track.metrics(paths.JUDGE_METRICS, verdicts)
        track.curve(paths.JUDGE_CURVE)
        work.publish(w / "model", paths.JUDGE)
