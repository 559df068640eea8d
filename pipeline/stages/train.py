"""Train the five networks of the method."""

import pytorch_lightning as pl

from pipeline import paths, tracking, work
from pipeline.applications.watching import Watch
from pipeline.datasets.faces import Cut
from pipeline.datasets.pairs import PairBatches
from pipeline.datasets.shards import Faces
from pipeline.methods import ipgan
from pipeline.params import Data, Losses, Model, Recogniser, Train
from pipeline.training import weights
from pipeline.training.average import Average
from pipeline.training.trainer import Fit


def run(data: Data, model: Model, pretrain: Recogniser, losses: Losses, train: Train) -> None:
    faces = Faces(paths.FACES)
    rows, t = faces.of_split("train"), train
    batches = PairBatches(faces, rows, t.batch_size, model.attribute_dim, t.seed, t.same_pairs, t.cross_every)
    pl.seed_everything(train.seed, verbose=False)
    recogniser = ipgan.recogniser(model, data.image_size, len(batches.names))
    weights.load(paths.RECOGNISER, {"recogniser": recogniser}, "dvc repro pretrain")
    start = recogniser.state_dict()
    method = ipgan.build(model, pretrain, losses, train, data.image_size, len(batches.names), start)

    sections, inputs = (data, model, pretrain, losses, train), (paths.FACES, paths.RECOGNISER)
    with work.building("train", *sections, inputs=inputs) as w, tracking.run("train", *sections, folder=w) as track:
        average = Average(("attributes", "generator"), train.average_images, train.batch_size)
        watch = Watch(faces, recogniser, w / "grids", track)
        fit = Fit(w, t.images, t.batch_size, t.precision, watch.record, average, watch.check, t.validate_images)
        fit.run(method, batches)
        trained = {name: average.averages.get(name, getattr(method, name)) for name in ipgan.NETWORKS}
        facts = {"identities": len(batches.names), "source": "+".join(data.source), "model": model.model_dump()}
        weights.save(w / "model", trained, facts | {"cut": Cut.of(data)._asdict()})

        track.metrics(paths.TRAIN_METRICS, fit.last)
        track.curve(paths.TRAIN_CURVE, "train/")
        track.curve(paths.VALIDATION_CURVE, "val/")
        work.publish(w / "grids", paths.TRAIN_GRIDS)
        work.publish(w / "model", paths.MODEL)
