"""Recombine unseen subjects with unseen samples, as files and as one picture."""

from pipeline import paths, tracking, work
from pipeline.applications.face_model import FaceModel
from pipeline.datasets.contact_sheet import tiled, write_png
from pipeline.datasets.protocol import EVALUATED, grid, pairs, protocol
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.params import Evaluate, Model, Synthesize


def run(model: Model, synthesize: Synthesize, evaluate: Evaluate) -> None:
    faces, network = Faces(paths.FACES), FaceModel(paths.MODEL, model)
    people = protocol(faces, "test", evaluate.gallery, EVALUATED)
    made = pairs(people, synthesize.samples_per_subject)
    keys, names = faces.column("key"), faces.column("identity")

    sections, inputs = (model, synthesize, evaluate), (paths.FACES, paths.MODEL)
    with tracking.run("synthesize", *sections) as track, work.building("synthesize", *sections, inputs=inputs) as w:
        images = network.recombine_pairs(faces, made)
        with ShardWriter(w / "faces", "synthesized") as shards:
            for pair, image in zip(made, images, strict=True):
                subject, sample = pair.subject_row, pair.sample_row
                row = {"subject": names[subject], "sample": names[sample]}
                row |= {"subject_key": keys[subject], "sample_key": keys[sample]}
                shards.add(f"{keys[subject]}-{keys[sample]}", image, row)
            shards.close()
        subjects, samples = grid(people, synthesize.grid_subjects, synthesize.grid_samples)
        write_png(w / "grid.png", tiled(network.grid(faces.images(subjects), faces.images(samples))))

        track.picture("synthesize/grid", w / "grid.png", "a row a person, a column a sample")
        track.metrics(paths.SYNTHESIZE_METRICS, {"synthesize/pairs": len(made), "synthesize/people": len(people.names)})
        work.publish(w / "faces", paths.SYNTHESIZED)
        work.publish(w / "grid.png", paths.GRID)
