"""What `augment` brings a recogniser: how well it tells unseen people apart, with synthesized faces and without.

    python -m tools.augment_quality [--people N] [--images N] [--each N [N ...]] [--seen N] [--seeds N] [--json FILE]

The people are rendered, new to the model, and have a few pictures each. A recogniser (that of `pretrain`, with its
params) is trained on these alone, and on these and what `augment` makes of them; both see as many images. They are
asked about the test split of data/faces, whom neither they nor the model know.
"""

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytorch_lightning as pl
import torch

from pipeline import paths
from pipeline.applications import augmenting
from pipeline.applications.prepared import prepared
from pipeline.applications.retrieval import GALLERY, judged, judged_gallery, labelled
from pipeline.applications.synthesizer import FaceSynthesizer
from pipeline.datasets.augmentation import identity_augmentation
from pipeline.datasets.faces import Head
from pipeline.datasets.labelled import LabelledBatches
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import protocol
from pipeline.datasets.shards import Faces, ShardWriter
from pipeline.datasets.sources.rendered import portray
from pipeline.errors import UserError
from pipeline.judges.verdict import Verdict
from pipeline.methods.recogniser import recogniser
from pipeline.methods.recognition import Recognition
from pipeline.metrics import verification
from pipeline.networks import Recogniser
from pipeline.params import Params, load_params
from pipeline.tracking.files import write
from pipeline.training.devices import device
from pipeline.training.trainer import Fit
from tools.asked import at_least

ROOT = Path(__file__).resolve().parent.parent
SEED = 7_100_000  # of the people, whom no split has
FAR = 1e-2
KEYS = ("top1", "tar_at_far_1e-2", "eer", "auc")


def photographed(folder: Path, people: int, each: int, image_size: int) -> Faces:
    """A prepared folder of new people."""
    with ShardWriter(folder, augmenting.SPLIT) as writer:
        for person in range(people):
            identity = f"new/{person:05d}"
            for picture in range(each):
                head = Head(f"{identity}/{picture}", identity, augmenting.SPLIT, SEED, person, picture)
                image = portray(head, image_size)[0]
                writer.add(f"{person:05d}{picture:03d}", image, {"identity": identity, "split": augmenting.SPLIT})
        writer.close()
    return Faces(folder)


def together(folder: Path, faces: Faces, made: list[augmenting.Made]) -> Faces:
    """The same people with their photographs and the first of what was made."""
    with ShardWriter(folder, augmenting.SPLIT) as writer:
        for key, identity, image in _shown(faces, made):
            writer.add(key, image, {"identity": identity, "split": augmenting.SPLIT})
        writer.close()
    return Faces(folder)


def _shown(faces: Faces, made: list[augmenting.Made]) -> Iterator[tuple[str, str, np.ndarray]]:
    for row, identity in enumerate(faces.column("identity")):
        yield f"real{row:07d}", str(identity), faces.image(row)
    for n, one in enumerate(made):
        yield f"synthetic{n:07d}", one.identity, one.image


def fewer(made: list[augmenting.Made], each: int) -> list[augmenting.Made]:
    """The first so many of every person."""
    counts: dict[str, int] = {}
    kept = []
    for one in made:
        counts[one.identity] = counts.get(one.identity, 0) + 1
        if counts[one.identity] <= each:
            kept.append(one)
    return kept


def trained(faces: Faces, params: Params, seen: int, seed: int, work: Path) -> Recogniser:
    """A fresh recogniser that has seen so many images of these people."""
    how = params.pretrain.model_copy(update={"images": seen})  # by which the learning rate falls, too
    augment = identity_augmentation(params.data.image_size) if how.augment else None
    batches = LabelledBatches(faces, faces.of_split(augmenting.SPLIT), how.batch_size, seed, augment)
    pl.seed_everything(seed, verbose=False)
    network = recogniser(params.model, params.data.image_size, len(batches.names))
    work.mkdir()
    fit = Fit("pretrain", work, seen, how.batch_size, how.precision, unrecorded)
    fit.run(Recognition(network, how, params.model.normalized_features), batches)
    return network


def unrecorded(values: Mapping[str, float], images: int, again: bool = False) -> None:
    """Curves that nobody keeps."""


def told_apart(network: Recogniser, faces: Faces) -> dict[str, float]:
    """How well it recognises the test split's probes among the galleries."""
    network.eval().to(device())

    @torch.inference_mode()
    def judge(images: np.ndarray) -> Verdict:
        return Verdict(network(to_tensor(images).to(device()))[0].cpu().numpy(), {}, np.ones(len(images), bool))

    people = protocol(faces, "test", GALLERY)
    said = judged(judge, faces, people.rows)
    galleries, person_shown = labelled(people.gallery)
    _, person = labelled(people.probes)
    among = judged_gallery(said.part(slice(len(galleries))), person_shown)
    probes = said.part(slice(len(galleries), None))
    table = verification.scores(torch.from_numpy(probes.features), torch.from_numpy(probes.found), among)
    columns = torch.searchsorted(among.people, person)
    genuine, impostors = verification.of(table, columns), verification.others(table, columns)
    threshold = verification.threshold_at(impostors, FAR)
    values = (
        verification.among_nearest(table, columns, 1).double().mean().item(),
        verification.accepted(genuine, threshold).double().mean().item(),
        verification.equal_error_rate(genuine, impostors),
        verification.auc(genuine, impostors),
    )
    return dict(zip(KEYS, values, strict=True))


def check(faces: Faces) -> None:
    """Before anything is trained.

    Raises:
        UserError: the test split is too small for a rate of false accepts.
    """
    people = protocol(faces, "test", GALLERY)
    impostors = sum(map(len, people.probes)) * (len(people.names) - 1)
    if impostors * FAR < 1:
        raise UserError(
            f"{faces.folder}: {impostors} comparisons of two people are too few for a false accept rate of {FAR:g}; "
            f"prepare a test split with at least {1 / FAR:.0f}"
        )


def table(rows: dict[str, list[dict[str, float]]]) -> str:
    """Markdown: the mean over the seeds, and how far the seeds are from it."""
    lines = ["| trained on | " + " | ".join(KEYS) + " |", "|---|" + "---|" * len(KEYS)]
    for name, runs in rows.items():
        cells = [f"{statistics.fmean(of):.3f} ± {statistics.pstdev(of):.3f}" for of in values(runs)]
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def values(runs: list[dict[str, float]]) -> list[list[float]]:
    return [[run[key] for run in runs] for key in KEYS]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=paths.MODEL, metavar="DIR")
    parser.add_argument(
        "--faces", type=Path, default=paths.FACES, metavar="DIR", help="whose test split is asked about"
    )
    parser.add_argument("--people", type=at_least(2), default=300, help="new ones, to train on")
    parser.add_argument("--images", type=at_least(1), default=4, help="photographs of each")
    parser.add_argument("--each", type=at_least(1), nargs="+", default=[4, 12], help="synthesized faces of each")
    parser.add_argument("--seen", type=at_least(1), default=20_000, help="images that a recogniser sees, of any kind")
    parser.add_argument("--seeds", type=at_least(1), default=3)
    parser.add_argument("--json", type=Path, default=ROOT / ".facet" / "augment_quality.json", metavar="FILE")
    arguments = parser.parse_args()
    try:
        params, model = load_params(Path("params.yaml")), FaceSynthesizer(arguments.model)
        faces = prepared(model, "name another folder with --faces", arguments.faces)
        check(faces)
        with tempfile.TemporaryDirectory() as folder:
            top = Path(folder)
            new = photographed(top / "new", arguments.people, arguments.images, model.image_size)
            made = list(augmenting.synthesized(model, new, max(arguments.each), seed=0))
            sets = {f"{arguments.images} photographs each": new}
            for each in arguments.each:
                name = f"{arguments.images} photographs and {each} synthesized faces each"
                sets[name] = together(top / f"and_{each}", new, fewer(made, each))
            rows: dict[str, list[dict[str, float]]] = {name: [] for name in sets}
            for seed in range(arguments.seeds):
                for n, (name, shown) in enumerate(sets.items()):
                    network = trained(shown, params, arguments.seen, seed, top / f"work_{seed}_{n}")
                    rows[name].append(told_apart(network, faces))
                    print(f"seed {seed}, {name}: {rows[name][-1]}", file=sys.stderr)
    except UserError as error:
        sys.exit(str(error))
    print(table(rows))
    settings = {name: getattr(arguments, name) for name in ("people", "images", "each", "seen", "seeds")}
    write(arguments.json, json.dumps({"model": model.fingerprint, **settings, "runs": rows}, indent=2, sort_keys=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
