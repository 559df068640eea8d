"""Groups, probes and the fresh classifier, each with material whose answer is known."""

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation import disentanglement, groups, uncanniness
from pipeline.applications.evaluation.bench import Bench, Figure
from pipeline.applications.evaluation.look import Look
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.evaluation.material import Material
from pipeline.applications.evaluation.systems import Asked
from pipeline.applications.judging import Court
from pipeline.datasets import heads
from pipeline.datasets.pairs import to_tensor
from pipeline.datasets.protocol import Protocol
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals
from pipeline.metrics.attributes import Attribute
from pipeline.metrics.intervals import Estimate

PEOPLE, EACH, GALLERY, SIZE = 12, 8, 3, 24
ROWS = np.arange(PEOPLE * EACH).reshape(PEOPLE, EACH)


class Photographs:
    """What the evaluation asks of an index: as many columns as the test gives it."""

    def __init__(self, **columns: np.ndarray) -> None:
        self.columns = columns

    def has(self, name: str, rows: np.ndarray) -> bool:
        return name in self.columns

    def column(self, name: str, rows: np.ndarray | None = None) -> np.ndarray:
        return self.columns[name] if rows is None else self.columns[name][rows]

    def images(self, rows: np.ndarray) -> np.ndarray:
        return self.columns["image"][rows]


@pytest.fixture
def compared():
    """Twelve people with eight photographs each, every second person in the circumstances of every other."""
    rng = np.random.default_rng(0)
    identities = np.repeat([heads.sample_identity(rng) for _ in range(PEOPLE)], EACH, 0)
    attributes = np.stack([heads.sample_attributes(rng) for _ in range(PEOPLE * EACH)])
    grain = rng.integers(0, 255, (PEOPLE * EACH, SIZE, SIZE, 3), dtype=np.uint8)
    names = np.repeat([f"p{n:02d}" for n in range(PEOPLE)], EACH)
    middle = np.full((PEOPLE * EACH, 10), SIZE / 2, np.float32)
    faces = Photographs(
        identity=names, identity_vector=identities, attribute_vector=attributes, image=grain, landmarks=middle
    )
    people = Protocol(sorted(set(names)), list(ROWS[:, :GALLERY]), list(ROWS[:, GALLERY:]))
    pairs = [(s, a) for s in range(PEOPLE) for a in range(PEOPLE) if s != a]
    subject, sample = torch.tensor(pairs).T
    asked = Asked(faces, people, ROWS[subject, GALLERY], ROWS[sample, GALLERY])
    said = Verdict(np.zeros((ROWS.size, 2), np.float32), {}, np.ones(ROWS.size, bool))
    material = Material(asked, said, {}, said, np.zeros(0, np.int64))
    person = torch.arange(PEOPLE).repeat_interleave(EACH - GALLERY)
    court = Court(lambda _: said, {d.name: Attribute(d.kind, d.low, d.high) for d in heads.ATTRIBUTES})
    return Bench(
        court,
        material,
        None,
        subject,
        sample,
        intervals.resamples(subject, sample),
        said,
        person,
        intervals.resamples(person),
    )


def test_a_group_has_its_own_mean_and_the_gap_is_theirs(compared):
    skin = groups.groups(compared)["skin"]
    belongs = torch.stack(list(skin.values())).sum(0)
    assert belongs.max() == 1
    assert (belongs == 0).sum() < groups.LEAST  # of a group too small to say anything of
    dark = skin["dark"]
    column = torch.where(dark[compared.subject], 0.25, 0.75)
    found = groups.by_group(
        compared,
        {"identity/top1": compared.of_pairs(column), "truth/psnr": compared.of_pairs(column)},
        lambda people: {
            "identity/eer": Estimate(0.1 if torch.equal(people, dark) else 0.04, -0.01, 0.3, int(people.sum()))
        },
    )
    assert found["skin/dark"]["identity/top1"].value == 0.25
    assert found["skin/light"]["identity/top1"].value == 0.75
    assert found["skin/dark"]["identity/top1"].n == int(dark.sum()) * (PEOPLE - 1)
    assert found["skin/gap"]["identity/top1"].value == 0.5
    assert "truth/psnr" not in found["skin/dark"]
    assert found["skin/dark"]["identity/eer"] == (0.1, 0, 0.3, int(dark.sum()))  # cut to what a share can be
    assert found["skin/gap"]["identity/eer"].value == pytest.approx(0.06)


def test_photographs_of_which_nobody_knows_the_groups_have_none(compared):
    compared.material.asked.faces.columns.pop("identity_vector")
    assert groups.by_group(compared, {"identity/top1": compared.of_pairs(torch.ones(132))}, lambda _: {}) == {}


def test_photographs_are_grouped_by_what_their_source_says(compared):
    ages = [20, 21, 22, 23, 30, 31, 32, 33, 60, 61, 62, 63]
    known = np.empty(PEOPLE * EACH, object)
    for row in range(len(known)):
        person = row // EACH
        sex = "gender=female" if person % 2 else "gender=male"
        known[row] = [("age", ages[person]), (sex, 1.0), ("glasses", float(person < 4)), ("alone=yes", 1.0)]
    known[:EACH] = None  # of the first nobody knows anything
    compared.material.asked.faces.columns |= {"attributes": known}
    compared.material.asked.faces.columns.pop("identity_vector")
    found = {
        f: {g: people.nonzero().ravel().tolist() for g, people in n.items()} for f, n in groups.groups(compared).items()
    }
    assert found["gender"] == {"female": [1, 3, 5, 7, 9, 11], "male": [2, 4, 6, 8, 10]}
    assert found["age"] == {"21_to_30": [1, 2, 3, 4], "31_to_33": [5, 6, 7], "60_to_63": [8, 9, 10, 11]}
    assert found["glasses"] == {"yes": [1, 2, 3], "no": [4, 5, 6, 7, 8, 9, 10, 11]}
    assert set(found) == {"gender", "age", "glasses"}  # one group alone is compared with nobody


def test_a_figure_of_a_group_leaves_out_what_is_not_counted(compared):
    counted = compared.sample == 0
    figure = Figure(torch.ones(132), compared.subject, compared.over, counted=counted)
    everybody_but_one = torch.arange(PEOPLE) != 5
    assert figure.rows_of(everybody_but_one).sum() == PEOPLE - 2


class Codes:
    """A model whose codes say what the test wants them to say."""

    device = torch.device("cpu")

    def __init__(self, f_I: torch.Tensor, z: torch.Tensor) -> None:
        self.networks = {
            "identity": lambda x: (f_I[self._row(x)], None),
            "attributes": lambda x: (z[self._row(x)], None),
        }
        self.places: dict[bytes, int] = {}

    def _row(self, x: torch.Tensor) -> torch.Tensor:
        return torch.tensor([self.places[image.numpy().tobytes()] for image in x])


@pytest.fixture
def read(compared):
    def values(f_I: torch.Tensor, z: torch.Tensor) -> dict[str, float]:
        faces = compared.material.asked.faces
        network = Codes(f_I, z)
        network.places = {image.numpy().tobytes(): i for i, image in enumerate(to_tensor(faces.images(ROWS.ravel())))}
        found = disentanglement.disentanglement(compared, Maker(network))
        return {name.removeprefix("disentanglement/"): figure.estimate().value for name, figure in found.items()}

    return values


def test_codes_that_are_separate_leak_nothing_and_say_what_they_are_for(compared, read):
    faces = compared.material.asked.faces
    person = torch.nn.functional.one_hot(torch.arange(PEOPLE).repeat_interleave(EACH)).double()
    circumstances = torch.from_numpy(faces.columns["attribute_vector"]).double()
    values = read(person, circumstances)
    assert values["identity_from_f_I"] == 1
    assert values["identity_from_z"] < 0.35
    assert values["identity_chance"] == pytest.approx(1 / PEOPLE)
    assert values["yaw_from_z_error"] < 1 < 0.8 * values["yaw_chance_error"]
    assert values["yaw_from_f_I_error"] > 0.8 * values["yaw_chance_error"]
    assert values["glasses_from_z_error"] == 0 < values["glasses_chance_error"]


def test_codes_that_are_exchanged_leak_everything(compared, read):
    faces = compared.material.asked.faces
    person = torch.nn.functional.one_hot(torch.arange(PEOPLE).repeat_interleave(EACH)).double()
    circumstances = torch.from_numpy(faces.columns["attribute_vector"]).double()
    values = read(circumstances, person)
    assert values["identity_from_z"] == 1
    assert values["yaw_from_f_I_error"] < 1


def shown(compared, images: np.ndarray) -> dict[str, float]:
    answers = Look(compared.material.real, {}, images)
    return {name: estimate.value for name, estimate in uncanniness.uncanniness(compared, answers).items()}


def test_nobody_tells_one_kind_of_grain_from_itself_and_everybody_from_another(compared):
    grain = np.random.default_rng(1).integers(0, 255, (132, SIZE, SIZE, 3), dtype=np.uint8)
    same, smooth = shown(compared, grain), shown(compared, grain // 4 + 96)
    assert set(same) == {"uncanniness/auc", "uncanniness/auc_eyes", "uncanniness/auc_mouth"}
    assert all(abs(auc - 0.5) < 0.2 for auc in same.values())
    assert all(auc > 0.95 for auc in smooth.values())


def test_only_where_it_is_uncanny_does_it_show(compared):
    """All landmarks are put into a corner, and what is wrong lies below."""
    images = np.random.default_rng(1).integers(0, 255, (132, SIZE, SIZE, 3), dtype=np.uint8)
    images[:, 8:20] = 128
    compared.material.asked.faces.columns["landmarks"][:] = 0
    found = shown(compared, images)
    assert found["uncanniness/auc"] > 0.9
    assert abs(found["uncanniness/auc_eyes"] - 0.5) < 0.2


def test_the_same_images_give_the_same_area(compared):
    grain = np.random.default_rng(2).integers(0, 255, (132, SIZE, SIZE, 3), dtype=np.uint8)
    assert shown(compared, grain) == shown(compared, grain)


def test_of_few_images_nothing_is_said(compared):
    assert shown(compared, np.zeros((5, SIZE, SIZE, 3), np.uint8)) == {}
