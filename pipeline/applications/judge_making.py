"""The judge that `judge` makes: trained on people of its own, or a record of the published networks."""

import json
from pathlib import Path

import pytorch_lightning as pl

from pipeline import assets
from pipeline.applications.judging import PUBLISHED, network_of
from pipeline.datasets import heads
from pipeline.datasets.augmentation import attribute_augmentation
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.shards import Faces
from pipeline.methods.recognition import JudgeTraining
from pipeline.params import Data, Judge
from pipeline.settings import is_first
from pipeline.training import weights
from pipeline.training.trainer import Fit


def make(data: Data, judge: Judge, faces: Faces, fit: Fit, folder: Path) -> None:
    """Train the judge on its own people (rendered), or record which published networks will do it (photographs).

    Raises:
        AssetError: a published network is missing or damaged.
    """
    if data.source != ("rendered",):
        record = {name: [f._asdict() for f in assets.ASSETS[name].files] for name in PUBLISHED if assets.locate(name)}
        if is_first():  # no fit tells the processes apart here
            folder.mkdir(parents=True, exist_ok=True)
            (folder / "published.json").write_text(json.dumps(record, indent=2, sort_keys=True) + "\n")
        return
    augment = attribute_augmentation(data.image_size) if judge.augment else None
    batches = LabelledBatches(faces, faces.of_split("judge"), judge.batch_size, judge.seed, augment)
    pl.seed_everything(judge.seed, verbose=False)
    network = network_of(data, judge, len(batches.names))
    fit.run(JudgeTraining(network, judge, heads.ATTRIBUTES), batches)
    weights.save(folder, {"judge": network}, {"identities": len(batches.names)})
