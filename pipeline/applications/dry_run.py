"""`python -m pipeline train --dry-run`: what a training would be and take, without one; it writes nothing."""

import io
from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch
from pydantic import BaseModel
from ruamel.yaml import YAML
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torch.utils.flop_counter import FlopCounterMode

from pipeline import paths
from pipeline.applications.taken import duration
from pipeline.datasets.pairs import Pairs
from pipeline.datasets.sampled import Sampled
from pipeline.datasets.shards import Faces
from pipeline.datasets.splits import UNLABELLED
from pipeline.errors import UserError
from pipeline.methods import ipgan
from pipeline.methods.asymmetric import AsymmetricTraining
from pipeline.methods.build import chosen
from pipeline.methods.recogniser import recogniser
from pipeline.params import Params
from pipeline.provenance import environment
from pipeline.training import cost
from pipeline.training.average import Average
from pipeline.training.cost import Measure
from pipeline.training.devices import Processes, arithmetic, first_goes_on
from pipeline.training.trainer import Batches, channels_last

SECTIONS = ("data", "model", "pretrain", "losses", "train")  # what the stage is handed


class Known(NamedTuple):
    """Of the data."""

    identities: int  # people of the train split
    images: int  # that training draws from


class Noise(Dataset[Pairs | Sampled]):
    """Batches of noise in the shapes of real ones, all of the first person; pairs of one person and of two in turn.

    Args:
        params: whose shapes.
        known: how many people and images there are.
        batch_size: of this process.
    """

    def __init__(self, params: Params, known: Known, batch_size: int) -> None:
        self.method, self.image_size = params.model.method, params.data.image_size
        self.noise_dim, self.batch_size = params.model.attribute_dim, batch_size
        self.labels, self.labelled = np.zeros(1, np.int64), 1
        self.places = ipgan.remembers(params.train, known.images)

    def __len__(self) -> int:
        return cost.STEPS

    def __getitem__(self, step: int) -> Pairs | Sampled:
        chance = torch.Generator().manual_seed(step)
        shape = (self.batch_size, 3, self.image_size, self.image_size)
        x_s, x_a = (
            (torch.rand(shape, generator=chance) * 2 - 1).to(memory_format=torch.channels_last) for _ in range(2)
        )
        c = c_a = torch.zeros(self.batch_size, dtype=torch.int64)
        noise, prior = torch.randn((2, self.batch_size, self.noise_dim), generator=chance)
        if self.method == "cvaegan":
            return Sampled(x_a, c_a, noise, prior)
        return Pairs(None if self.places else x_s, x_a, c, c_a, noise, step % 2 == 0, torch.zeros_like(c))

    def in_order(self, *_: int) -> Iterator[Tensor]:
        """The one image that there is."""
        yield torch.zeros(1, 3, self.image_size, self.image_size)


def dry_run(params: Params) -> str:
    """The resolved configuration, and what a training by it takes on this machine.

    Raises:
        UserError: nobody knows yet how many people there are.
        SystemExit: 0, in all processes but the first.
    """
    p, t = params, params.train
    known = known_data(params)
    identities = known.identities
    start = recogniser(p.model, p.data.image_size, identities).state_dict()
    method = chosen(p.model.method).build(p.model, p.pretrain, p.losses, t, p.data.image_size, identities, start)
    average = Average(method.AVERAGED, t.average_images, t.batch_size)
    measure = Measure(average.averages)
    processes = Processes.read()
    processes.check_split("train", t.batch_size)
    trainer = processes.trainer(t.precision, [average, measure])

    def batches(_: int, world: int) -> DataLoader:
        return DataLoader(Noise(params, known, t.batch_size // world), batch_size=None)

    trainer.fit(channels_last(method), datamodule=Batches(batches))
    first_goes_on()
    facts = {
        "configuration": configuration({name: getattr(params, name) for name in SECTIONS}),
        "networks": networks(method, identities),
        "cost": costs(params, measure, trainer.world_size) + at_first(params, method, known, measure),
    }
    return "\n".join(f"# {title}\n{text}\n" for title, text in facts.items())


def known_data(params: Params) -> Known:
    """Of the prepared data where there are any, else as many as will be rendered.

    Raises:
        UserError: neither is known.
    """
    if (paths.FACES / "index.parquet").exists():
        faces = Faces(paths.FACES)
        people, _ = faces.coded("identity")
        rows, also = faces.of_split("train"), params.train.unlabelled and UNLABELLED in faces.coded("split")[1]
        found = np.unique(people[rows])
        return Known(int((found >= 0).sum()), len(rows) + (len(faces.of_split(UNLABELLED)) if also else 0))
    if params.data.source == ("rendered",):
        r = params.data.rendered
        images = r.people.train * r.images_per_person.train
        return Known(r.people.train, images + (r.unlabelled if params.train.unlabelled else 0))
    raise UserError(
        f"{paths.FACES} is not there, so nobody knows how many people there are, on which the networks depend: "
        "run `dvc repro prepare` first"
    )


def configuration(sections: Mapping[str, BaseModel]) -> str:
    """Sections of params.yaml as they are understood, as YAML."""
    yaml, text = YAML(typ="safe"), io.StringIO()
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]  # in the order of the schema
    yaml.dump({name: section.model_dump(mode="json") for name, section in sections.items()}, text)
    return text.getvalue().rstrip()


def networks(method: torch.nn.Module, identities: int) -> str:
    """A line a network: parameters, and how many of them learn."""
    rows = [(name, *cost.parameters(network)) for name, network in method.named_children()]
    rows.append(("in all", *cost.parameters(method)))
    head = f"{'':<16}  {'parameters':>12}  {'learning':>12}   for {identities} people"
    return "\n".join([head, *(f"{name:<16}  {count:>12,}  {learning:>12,}" for name, count, learning in rows)])


def costs(params: Params, measure: Measure, world: int) -> str:
    """Operations, memory and time, a line each."""
    t, memory = params.train, measure.memory
    assert memory is not None
    steps = max(1, t.images // t.batch_size)
    same, cross = (measure.flops[kind] * world / 1e9 for kind in (True, False))
    flops = cost.of_a_step(same, cross, t.cross_every)
    seconds = cost.seconds_of_a_step(measure.seconds, t.cross_every)
    machine = environment()
    on_gpu = machine["accelerator"] != "none"
    kept, alone = sum(memory[:-1]), params.model.method == "cvaegan"
    rows = {
        "devices": f"{world} x {machine['accelerator'] if on_gpu else machine['processor']}, {arithmetic(t.precision)}",
        "steps": f"{steps} of {t.batch_size} {'images' if alone else f'pairs, one in {t.cross_every} of two people'}",
        "a step": f"{flops:.4g} GFLOP, all networks and passes"
        + (" and Muon's products" if t.matrix_learning_rate else "")
        + ("" if alone else f" (one person {same:.4g}, two people {cross:.4g})"),
        "kept": f"{mib(kept)}: parameters {mib(memory.parameters)}, gradients {mib(memory.gradients)}, "
        f"optimizers {mib(memory.optimizers)}, averages {mib(memory.averages)}",
        "peak": f"{mib(memory.peak)} of {'a GPU' if on_gpu else 'this process, Python and libraries with it'}",
        "speed": f"{t.batch_size / seconds:.4g} images/s, {flops / seconds:.4g} GFLOP/s",
        "time": f"{duration(steps * seconds)}, reading and validation not counted",
    }
    return "\n".join(f"{name:<8} {said}" for name, said in rows.items())


def at_first(params: Params, method: AsymmetricTraining, known: Known, measure: Measure) -> str:
    """The line of what is asked once of all images before the first step; none where nothing is."""
    if not isinstance(method, ipgan.IPGAN) or (method.known is None and method.means is None):
        return ""
    p, side = params, params.data.image_size
    with FlopCounterMode(display=False) as counted, torch.no_grad():
        method.identity(torch.zeros(1, 3, side, side, device=method.device))
    flops = known.images * counted.get_total_flops()
    seconds = flops / measure.flops[True] * cost.seconds_of_a_step(measure.seconds, p.train.cross_every)
    table = known.images * p.model.identity_dim * 4 if method.known is not None else 0
    return (
        f"\nat first {known.images:,} images seen by I: {flops / 1e9:.4g} GFLOP, about {duration(seconds)}; "
        f"what it says of them takes {mib(table + known.identities * p.model.identity_dim * 4)}"
    )


def mib(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"
