"""Turn the sources into aligned crops in tar shards, with one index, split by identity."""

from pipeline import paths, tracking, work
from pipeline.applications.preparing import pictures, recipe
from pipeline.datasets.building.build import Rules, build
from pipeline.datasets.building.engine import workers
from pipeline.datasets.building.statistics import describe, tables
from pipeline.datasets.contact_sheet import captioned, contact_sheet, write_png
from pipeline.datasets.protocol import EVALUATED, protocol
from pipeline.datasets.shards import Faces
from pipeline.datasets.sources import listing
from pipeline.params import Data
from pipeline.settings import Settings


def run(data: Data) -> None:
    settings = Settings.read()
    candidates, made_how = listing(data), recipe(data)
    who = data.identities
    rules = Rules(data.shard_images, data.duplicates.near_bits, who.min_cosine, who.min_images)

    with (
        work.building("prepare", data) as folder,
        workers(settings.scheduler, settings.workers, folder) as engine,
        tracking.run("prepare", data, folder=folder, record=paths.PREPARE_RUN) as track,
    ):
        rejected = build(candidates, made_how, rules, folder, engine)
        faces, statistics = Faces(folder / "faces"), describe(folder / "faces")
        protocol(faces, "val", 1), protocol(faces, "test", 1, EVALUATED)  # rather now than stages later
        write_png(folder / "accepted.png", contact_sheet(faces))
        write_png(folder / "rejected.png", captioned(pictures(rejected)))

        track.metrics(paths.PREPARE_METRICS, statistics.numbers)
        for name, (columns, rows) in tables(statistics).items():
            track.table(paths.PREPARE_PLOTS / f"{name}.csv", columns, rows)
        track.picture("prepare/accepted", folder / "accepted.png", "a row a person")
        track.picture("prepare/rejected", folder / "rejected.png", "by reason")
        work.publish(folder / "accepted.png", paths.ACCEPTED_SHEET)
        work.publish(folder / "rejected.png", paths.REJECTED_SHEET)
        work.publish(folder / "faces", paths.FACES)
        track.reference("faces", paths.FACES, statistics.numbers)
