"""Make the faces that are evaluated, as files and as one picture: unseen subjects with unseen samples."""

from pipeline import paths, tracking, work
from pipeline.applications.synthesis import synthesis
from pipeline.datasets.contact_sheet import write_png
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.params import Evaluate, Model, Synthesize


def run(model: Model, synthesize: Synthesize, evaluate: Evaluate) -> None:
    faces = Faces(paths.FACES)
    asked = synthesis(faces, paths.MODEL, model, synthesize, evaluate)

    sections, inputs = (model, synthesize, evaluate), (paths.FACES, paths.MODEL)
    with (
        work.building("synthesize", *sections, inputs=inputs) as w,
        tracking.run("synthesize", *sections, record=paths.SYNTHESIZE_RUN) as track,
    ):
        images = asked.images()
        with ShardWriter(w / "faces", "synthesized") as shards:
            for row, image in zip(asked.rows, images, strict=True):
                shards.add(row["key"], image, row)
            shards.close()
        write_png(w / "grid.png", asked.grid())

        track.picture("synthesize/grid", w / "grid.png", "a row a person")
        counts = {"synthesize/images": len(asked.rows), "synthesize/people": len(asked.people.names)}
        track.metrics(paths.SYNTHESIZE_METRICS, counts)
        work.publish(w / "faces", paths.SYNTHESIZED)
        work.publish(w / "grid.png", paths.GRID)
