"""Train an identity classifier on the train split: the start of I and C."""

import pytorch_lightning as pl

from pipeline import paths, tracking, work
from pipeline.applications.retrieval import top1_of_unseen
from pipeline.datasets.augmentation import identity_augmentation
from pipeline.datasets.labelled import LabelledBatches, batch_picture
from pipeline.datasets.shards import Faces
from pipeline.methods.recogniser import recogniser
from pipeline.methods.recognition import Recognition
from pipeline.params import Backbone, Data, Recogniser
from pipeline.training import weights
from pipeline.training.trainer import Fit


def run(data: Data, model: Backbone, pretrain: Recogniser) -> None:
    faces = Faces(paths.FACES)
    augment = identity_augmentation(data.image_size) if pretrain.augment else None
    batches = LabelledBatches(faces, faces.of_split("train"), pretrain.batch_size, pretrain.seed, augment)
    pl.seed_everything(pretrain.seed, verbose=False)
    network = recogniser(model, data.image_size, len(batches.names))

    sections, inputs = (data, model, pretrain), [paths.FACES]
    with (
        work.building("pretrain", *sections, inputs=inputs) as w,
        tracking.run("pretrain", *sections, folder=w, record=paths.PRETRAIN_RUN) as track,
    ):
        fit = Fit("pretrain", w, pretrain.images, pretrain.batch_size, pretrain.precision, track.log)
        fit.run(Recognition(network, pretrain, model.normalized_features), batches)
        track.went_on(fit.resume.batches_done * pretrain.batch_size)
        weights.save(w / "model", {"recogniser": network}, {"identities": len(batches.names)})

        track.picture("pretrain/batch", batch_picture(batches), "what the recogniser is shown")
        track.metrics(paths.PRETRAIN_METRICS, {"pretrain/top1_val": top1_of_unseen(faces, "val", network)})
        track.curve(paths.PRETRAIN_CURVE)
        work.publish(w / "model", paths.RECOGNISER)
