"""Train the five networks of the method."""

import shutil

import pytorch_lightning as pl
import torch
import torch._functorch.config

from pipeline import paths, tracking, work
from pipeline.applications.watching import WATCHES
from pipeline.datasets.faces import Cut
from pipeline.datasets.shards import Faces
from pipeline.methods.build import chosen
from pipeline.methods.recogniser import recogniser
from pipeline.params import Data, Losses, Model, Recogniser, Train
from pipeline.training import weights
from pipeline.training.average import Average
from pipeline.training.trainer import Fit


def run(data: Data, model: Model, pretrain: Recogniser, losses: Losses, train: Train) -> None:
    faces, t = Faces(paths.FACES), train
    batches = chosen(model.method).batches(faces, model, train)
    pl.seed_everything(train.seed, verbose=False)
    start = recogniser(model, data.image_size, len(batches.names))
    weights.load(paths.RECOGNISER, {"recogniser": start}, "dvc repro pretrain")
    shape = (data.image_size, len(batches.names))
    method = chosen(model.method).build(model, pretrain, losses, train, *shape, start.state_dict())

    sections, inputs = (data, model, pretrain, losses, train), (paths.FACES, paths.RECOGNISER)
    with (
        work.building("train", *sections, inputs=inputs) as w,
        tracking.run("train", *sections, folder=w, record=paths.TRAIN_RUN) as track,
    ):
        average = Average(method.AVERAGED, t.average_images, t.batch_size)
        watch = WATCHES[model.method](faces, start, w / "grids", track)
        look = (watch.check, t.validate_images)
        if t.compiled:
            torch._functorch.config.donated_buffer = False  # several backward passes go through the same graph
            for name in method.NETWORKS:
                getattr(method, name).compile()
        fit = Fit("train", w, t.images, t.batch_size, t.precision, watch.record, average, *look)
        fit.run(method, batches)
        track.went_on(fit.resume.batches_done * t.batch_size)
        trained = {name: average.averages.get(name, getattr(method, name)) for name in method.NETWORKS}
        facts = {"identities": len(batches.names), "source": "+".join(data.source), "model": model.model_dump()}
        people = {"people": batches.names.tolist()} if model.method == "cvaegan" else {}  # whom it can be asked for
        weights.save(w / "model", trained, facts | people | {"cut": Cut.of(data)._asdict()})

        track.metrics(paths.TRAIN_METRICS, fit.last)
        track.curve(paths.TRAIN_CURVE, "train/")
        track.curve(paths.VALIDATION_CURVE, "val/")
        # A copy: a training that is killed from here on cannot draw them again.
        shutil.copytree(w / "grids", w / "copies", dirs_exist_ok=True)
        work.publish(w / "copies", paths.TRAIN_GRIDS)
        work.publish(w / "model", paths.MODEL)
