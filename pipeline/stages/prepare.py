"""Turn the source into aligned crops in tar shards, with one index, split by identity."""

from importlib import import_module

from pipeline import assets, paths, tracking, work
from pipeline.datasets.catalogue import statistics, write
from pipeline.datasets.contact_sheet import contact_sheet
from pipeline.datasets.photographs.detection import Detector, yunet
from pipeline.datasets.protocol import EVALUATED, protocol
from pipeline.datasets.shards import Faces
from pipeline.params import Data
from pipeline.settings import Settings


def run(data: Data) -> None:
    def detector() -> Detector:
        return yunet(assets.locate("yunet").path, data.photos.min_score)

    source = import_module(f"pipeline.datasets.sources.{data.source}")  # a source is a module of that name
    faces = source.open_source(data, detector, Settings.read().workers)

    with tracking.run("prepare", data) as track, work.building("prepare", data) as folder:
        rejects = write(faces, folder / "faces")
        prepared = Faces(folder / "faces")
        protocol(prepared, "val", 1), protocol(prepared, "test", 1, EVALUATED)  # rather now than stages later
        track.picture("prepare/faces", contact_sheet(prepared))
        track.metrics(paths.PREPARE_METRICS, statistics(prepared, rejects))
        work.publish(folder / "faces", paths.FACES)
