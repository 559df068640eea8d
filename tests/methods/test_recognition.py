"""The recognisers learn what they are shown; the judge people and attributes at once."""

import pytest
import torch

from pipeline.datasets import heads
from pipeline.datasets.labelled import Labelled
from pipeline.judges.scales import outputs
from pipeline.methods.recognition import JudgeTraining, Recognition
from pipeline.networks import Closeup, JudgeNetwork, Recogniser
from pipeline.params import Judge
from tests.methods.test_ipgan import PRETRAIN

SCHEDULE = PRETRAIN.model_copy(update={"images": 400, "matrix_learning_rate": 0.01})


def recognition():
    return Recognition(Recogniser(32, 4, 8, 3, normalized=True), SCHEDULE, normalized=True)


def judge():
    schedule = Judge(**SCHEDULE.model_dump(), width=8, features_dim=8, attribute_weight=2.0)
    closeups = [Closeup((3, 4), 0.6, 0.4, (3, 4))]
    return JudgeTraining(JudgeNetwork(32, 8, 8, 3, outputs(heads.ATTRIBUTES), closeups), schedule, heads.ATTRIBUTES)


def batch(size=4):
    low, high = (torch.tensor([getattr(d, side) for d in heads.ATTRIBUTES]) for side in ("low", "high"))
    attributes = (low + (high - low) * torch.rand(size, len(low))).to(torch.float32)
    binary = torch.tensor([d.kind == "binary" for d in heads.ATTRIBUTES])
    attributes[:, binary] = attributes[:, binary].round()
    landmarks = torch.rand(size, 5, 2) - 0.5
    return Labelled(torch.rand(size, 3, 32, 32) * 2 - 1, torch.arange(size) % 3, attributes, landmarks)


def learned(m, steps=100):
    torch.manual_seed(0)
    made = m.configure_optimizers()
    m.optimizers = lambda: made
    m.manual_backward = lambda loss: loss.backward()
    shown, logged = batch(), []
    for step in range(steps):
        m.training_step(shown, step)
        logged.append({name: float(value) for name, value in m.logged.items()})
    return logged


@pytest.mark.parametrize(("make", "stage"), [(recognition, "pretrain"), (judge, "judge")])
def test_people_are_learned(make, stage):
    torch.manual_seed(1)
    logged = learned(make())
    assert logged[-1][f"{stage}/loss"] < 0.5 * logged[0][f"{stage}/loss"]
    assert logged[-1][f"{stage}/top1"] == 1


def test_the_judge_learns_attributes_and_landmarks_with_the_weight_that_they_have():
    torch.manual_seed(1)
    m, shown = judge(), batch()
    L, logged = m.objective(shown)
    measured = logged["judge/attribute_loss"] + logged["judge/landmark_loss"]
    assert float(L.detach()) == pytest.approx(float(logged["judge/loss"] + 2 * measured))
    logged = learned(m)
    assert logged[-1]["judge/attribute_loss"] < 0.85 * logged[0]["judge/attribute_loss"]
    assert logged[-1]["judge/landmark_loss"] < 0.7 * logged[0]["judge/landmark_loss"]


def test_the_rate_rises_and_falls_to_zero_along_half_a_cosine():
    m, rates = recognition(), []
    for m.batches_done in (0, 50, 100):
        rates.append(m.rate())
    assert rates == pytest.approx([0.02, 0.5, 0])
