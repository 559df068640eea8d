"""Frontalization, morphing, a performance and attacks, with a model and a judge that can be done in the head.

A picture of these tests says who it shows (red, as a number) and how far it is turned (green, 128 is the front).
"""

import numpy as np
import pytest
import torch

from pipeline.applications.evaluation import attacks, curves, identity, strips, uses
from pipeline.applications.evaluation.bench import Bench
from pipeline.applications.evaluation.look import Look
from pipeline.applications.evaluation.maker import Maker
from pipeline.applications.evaluation.material import Material
from pipeline.applications.evaluation.systems import Asked
from pipeline.applications.judging import Court
from pipeline.datasets.protocol import Protocol
from pipeline.judges.verdict import Verdict
from pipeline.metrics import intervals
from pipeline.metrics.attributes import Attribute
from pipeline.metrics.identity import Gallery
from tests.applications.evaluation.test_leaks import Photographs

PEOPLE, EACH, GALLERY = 6, 7, 2
YAW = np.tile([0.0, 5.0, 40.0, -40.0, 30.0, -30.0, 8.0], PEOPLE)


def pictures(person, yaw):
    images = np.zeros((len(person), 4, 4, 3), np.uint8)
    images[..., 0], images[..., 1] = (
        np.asarray(person)[:, None, None] * 20,
        np.round(128 + np.asarray(yaw))[:, None, None],
    )
    return images


def judge(images):
    person, yaw = np.round(images[:, 0, 0, 0] / 20).astype(int), images[:, 0, 0, 1] - 128.0
    return Verdict(np.eye(13, dtype=np.float32)[person], {"yaw": yaw.astype(np.float32)}, np.ones(len(images), bool))


class Network:
    """f_I is who, z is how far turned; `draws` makes a face of both."""

    device = torch.device("cpu")

    def __init__(self, draws=lambda f_I, z: torch.cat([f_I, z], 1)):
        self.networks = {
            "identity": lambda x: (x[:, :1, 0, 0], None),
            "attributes": lambda x: (x[:, 1:2, 0, 0], None),
            "generator": lambda f_I, z: torch.nn.functional.pad(draws(f_I, z), (0, 1))[:, :, None, None].expand(
                -1, -1, 4, 4
            ),
        }


@pytest.fixture
def compared():
    person = np.repeat(np.arange(PEOPLE), EACH)
    faces = Photographs(image=pictures(person, YAW), identity=np.array([f"p{n}" for n in person]))
    faces.of_split = lambda split: np.arange(PEOPLE * EACH)
    rows = np.arange(PEOPLE * EACH).reshape(PEOPLE, EACH)
    people = Protocol([f"p{n}" for n in range(PEOPLE)], list(rows[:, :GALLERY]), list(rows[:, GALLERY:]))
    said = judge(faces.images(people.rows))
    asked = Asked(faces, people, rows[:, GALLERY], np.roll(rows[:, GALLERY], 1))
    material = Material(asked, said, {}, said, np.zeros(0, np.int64))
    whose, subject = torch.arange(PEOPLE).repeat_interleave(EACH - GALLERY), torch.arange(PEOPLE)
    return Bench(
        Court(judge, {"yaw": Attribute("continuous", -90.0, 90.0)}),
        material,
        Gallery(torch.eye(13)[:PEOPLE], subject),
        subject,
        subject.roll(1),
        intervals.resamples(subject),
        said.part(slice(PEOPLE * GALLERY, None)),
        whose,
        intervals.resamples(whose),
    )


def values(figures):
    return {name.removeprefix("applications/"): figure.estimate().value for name, figure in figures.items()}


def test_several_photographs_say_more_than_one(compared):
    """One of five, the first, is of somebody else: alone it misleads, among the others it does not."""
    first = [own[0] for own in compared.material.people.probes]
    images = compared.material.asked.faces.columns["image"]
    images[first, ..., 0] = np.roll(images[first, ..., 0], 1, axis=0)
    network = Network(lambda f_I, z: torch.cat([((f_I + 1) * 127.5 / 20 + 0.45).floor() * 20 / 127.5 - 1, z], 1))
    look = uses.several(compared, Maker(network))
    of_sets = uses.named_several(identity.rates(compared, look))
    got = {k: figure.estimate().value for k, figure in uses.named_several(identity.identity(compared, look)).items()}
    assert got["identity/several_top1"] > 0.6
    assert set(of_sets) == {"identity/several_eer", "identity/several_auc"}
    assert of_sets["identity/several_auc"].value > 0.8
    assert "identity/several_top1_real" not in got
    alone = judge(images[compared.material.asked.subject_rows])
    assert not (alone.features.argmax(1) == np.arange(PEOPLE)).any()


def test_rates_of_some_people_are_those_of_their_faces_before_everybody(compared):
    """Faces of the first three show whom they should, those of the others show somebody else, who is in the gallery."""
    shows = np.where(np.arange(PEOPLE) < 3, np.arange(PEOPLE), np.roll(np.arange(PEOPLE), 1))
    look = Look(judge(pictures(shows, np.zeros(PEOPLE))), {})
    first = torch.arange(PEOPLE) < 3
    of_first, of_others = (identity.rates(compared, look, people) for people in (first, ~first))
    assert of_first["identity/auc"] == (1, 1, 1, 3)
    assert of_first["identity/eer"].value == 0
    assert of_others["identity/auc"].value == pytest.approx(0.5 - 0.1)  # one impostor in five is nearer, four as near
    assert of_others["identity/auc"].value < identity.rates(compared, look)["identity/auc"].value < 1
    photographs = identity.rates_real(compared, first)
    assert photographs["identity/auc_real"].n == 3 * (EACH - GALLERY)


def test_turned_photographs_come_to_the_front(compared):
    found = uses.frontalization(compared, Maker(Network()))
    assert found["applications/frontalization_top1"].estimate().n == PEOPLE * 4  # of five probes four are turned
    got = values(found)
    assert got["frontalization_top1"] == got["frontalization_top1_before"] == 1
    rates = [name for name in got if "tar_at_far" in name]
    assert rates
    assert all(got[name] == 1 for name in rates)
    assert got["frontalization_yaw"] == pytest.approx(13 / 3, abs=0.6)  # the mean of 0, 5 and 8


def test_what_coming_to_the_front_brings_is_told_by_how_far_photographs_are_turned(compared):
    table = curves.frontalized(compared, uses.frontalization(compared, Maker(Network())))
    assert table.columns[:2] == ["turned_from", "images"]
    assert {"top1", "top1_before", "tar_at_far_1e-2", "tar_at_far_1e-2_before"} == set(table.columns[2:])
    assert sum(row[1] for row in table.rows) == len(compared.person)
    turned = np.abs(uses.yaw_of_probes(compared))
    for begin, images, *shares in table.rows:
        assert images == ((turned >= begin) & (turned < begin + 10)).sum()
        assert shares == [1, 1, 1, 1]


def test_who_ignores_the_person_loses_them(compared):
    got = values(uses.frontalization(compared, Maker(Network(lambda f_I, z: torch.cat([f_I * 0 - 1, z], 1)))))
    assert got["frontalization_top1"] == pytest.approx(1 / PEOPLE)  # everybody is the first
    assert got["frontalization_tar_at_far_1e-2"] < 0.5 < got["frontalization_tar_at_far_1e-2_before"]
    assert got["frontalization_top1_before"] == 1


def test_a_morph_goes_one_way_and_keeps_the_person(compared, monkeypatch):
    rows = np.concatenate(compared.material.people.probes)[:: EACH - GALLERY]
    turned = np.where(np.arange(PEOPLE) % 2, 40.0, -40.0)
    compared.material.asked.faces.columns["image"][rows] = pictures(np.arange(PEOPLE), turned)
    place = [list(compared.material.people.rows).index(row) for row in rows]
    compared.material.real.attributes["yaw"][place] = turned
    assert values(uses.morphing(compared, Maker(Network()))) == {"morphing_monotone": 1, "morphing_drift": 0}
    still = values(uses.morphing(compared, Maker(Network(lambda f_I, z: torch.cat([f_I, z * 0], 1)))))
    assert still["morphing_monotone"] == 0
    lost = values(
        uses.morphing(compared, Maker(Network(lambda f_I, z: torch.cat([torch.where(z > 0, f_I, -1.0), z], 1))))
    )
    assert lost["morphing_drift"] > 0.4


def test_samples_that_are_turned_alike_make_no_morph(compared):
    """The first probe of everybody is turned by 40 degrees."""
    assert uses.morphing(compared, Maker(Network())) == {}


def test_pictures_show_what_was_measured(compared):
    rows = np.concatenate(compared.material.people.probes)[:: EACH - GALLERY]
    turned = np.where(np.arange(PEOPLE) % 2, 40.0, -40.0)
    place = [list(compared.material.people.rows).index(row) for row in rows]
    compared.material.real.attributes["yaw"][place] = turned
    shown = {name: picture for name, _, picture in strips.strips(compared, Maker(Network()))}
    assert set(shown) == {"frontalization", "morphing"}  # nobody knows the truth of a performance
    columns = shown["frontalization"].shape[1] // 6 + 1  # of four pixels, two apart
    assert columns == strips.COLUMNS
    before, after = (shown["frontalization"][row, 1::6, 1].astype(int) - 128 for row in (1, 7))
    assert (np.abs(before) >= uses.TURNED).all()
    assert np.abs(after).max() <= 5
    assert shown["morphing"].shape[:2] == (strips.ROWS * 6 - 2, (uses.STEPS + 2) * 6 - 2)


def test_unrest_is_what_is_not_even_movement():
    ramp = np.arange(6, dtype=np.uint8)[:, None, None, None].repeat(3, 3)
    assert uses.unrest(ramp) == 0
    assert uses.unrest(ramp % 2 * 10) == 20


def test_a_rendered_performance_moves_and_is_the_same_each_time():
    from pipeline.datasets import heads

    person = heads.neutral_identity()
    played = uses.frames(person, 32, 0)
    assert played.shape == (uses.FRAMES, 32, 32, 3)
    assert np.array_equal(played, uses.frames(person, 32, 0))
    assert uses.unrest(played) > 0
    assert np.array_equal(played[0], played[-1])  # once there and back


@pytest.fixture
def recogniser():
    return torch.nn.Sequential(
        torch.nn.Conv2d(3, 8, 3), torch.nn.Tanh(), torch.nn.Flatten(), torch.nn.Linear(8 * 36, 6)
    )


def cosine(recogniser, x, attacked):
    return torch.nn.functional.cosine_similarity(recogniser(x), recogniser(attacked)).mean().item()


@pytest.mark.parametrize("steps", [1, 5])
def test_an_attack_stays_within_reach_and_misleads(recogniser, steps):
    x = torch.rand(4, 3, 8, 8) * 2 - 1
    attacked = attacks.fooled(lambda y: (recogniser(y), None), x, 0.1, steps)
    assert (attacked - x).abs().max() <= 0.1 + 1e-6
    assert attacked.abs().max() <= 1
    noise = (x + 0.1 * torch.randn_like(x).sign()).clamp(-1, 1)
    assert cosine(recogniser, x, attacked) < cosine(recogniser, x, noise) - 0.02


def test_more_steps_mislead_more(recogniser):
    x = torch.rand(4, 3, 8, 8) * 2 - 1
    once, often = (attacks.fooled(lambda y: (recogniser(y), None), x, 0.1, steps) for steps in (1, 10))
    assert cosine(recogniser, x, often) < cosine(recogniser, x, once)


def test_a_score_that_is_higher_for_attacked_photographs_tells_them():
    honest, attacked = torch.tensor([0.1, 0.2, 0.3]), torch.tensor([0.25, 0.4, 0.5])
    pairs = [(a > h).double() for a in attacked for h in honest]
    area = attacks.verification.auc(attacks._as_cosines(attacked, honest), attacks._as_cosines(honest, attacked))
    assert area == pytest.approx(torch.stack(pairs).mean().item())
