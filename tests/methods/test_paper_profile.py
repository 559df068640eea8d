"""profiles/paper at its full size: 128 x 128 pixels and its networks, both methods. The batch alone is smaller."""

import shutil

import numpy as np
import pytest
import torch
from dvc.utils.hydra import apply_overrides

from pipeline.datasets import heads
from pipeline.datasets.pairs import Pairs, to_tensor
from pipeline.datasets.sampled import Sampled
from pipeline.methods.build import chosen
from pipeline.methods.recogniser import recogniser
from pipeline.params import load_params
from tests.conftest import ROOT
from tests.test_profiles import settings

BATCH, PEOPLE, STEPS = 2, 2000, 20
# A processor without bf16's arithmetic takes a quarter of an hour for what it does in a minute in float32.
FAST_BF16 = torch.ops.mkldnn._is_mkldnn_bf16_supported()


def faces(size):
    rng = np.random.default_rng(0)
    drawn = [(heads.sample_identity(rng), heads.sample_attributes(rng)) for _ in range(BATCH)]
    return to_tensor(np.stack([heads.render(*both, size)[0] for both in drawn]))


def pairs(x, step, z_dim):
    same = step % 2 == 0  # every other batch, as the paper has it
    c = torch.arange(BATCH)
    if step % 3 == 0:
        c[-1] = -1  # a face of nobody in particular
    return Pairs(x, x if same else x.flip(0), c, c if same else c.flip(0), torch.randn(BATCH, z_dim), same)


def samples(x, z_dim):
    return Sampled(x, torch.arange(BATCH), *torch.randn(2, BATCH, z_dim))


@pytest.mark.slow
@pytest.mark.parametrize(("method", "profile"), [("ipgan", "paper"), ("cvaegan", "paper_cvaegan")])
def test_twenty_steps_at_full_size_learn_and_stay_finite(method, profile, tmp_path):
    shutil.copy(ROOT / "params.yaml", tmp_path / "params.yaml")
    apply_overrides(tmp_path / "params.yaml", [*settings(profile), f"train.batch_size={BATCH}"])
    params = load_params(tmp_path / "params.yaml")
    size = params.data.image_size
    assert size == 128
    start = recogniser(params.model, size, PEOPLE).state_dict()
    build = chosen(method).build
    m = build(params.model, params.pretrain, params.losses, params.train, size, PEOPLE, start)
    made = m.to(memory_format=torch.channels_last).configure_optimizers()
    m.optimizers = lambda: made
    m.manual_backward = lambda loss, **kwargs: loss.backward(**kwargs)
    x, z_dim, terms = faces(size), params.model.attribute_dim, []
    for step in range(STEPS):
        batch = pairs(x, step, z_dim) if method == "ipgan" else samples(x, z_dim)
        with torch.autocast("cpu", torch.bfloat16, enabled=FAST_BF16):
            m.training_step(batch, step)
        terms.append({name: float(value) for name, value in m.logged.items()})
    assert np.isfinite([value for values in terms for value in values.values()]).all()
    pixels = "train/L_GR_same" if method == "ipgan" else "train/L_G_x"
    assert terms[-2][pixels] < 0.7 * terms[0][pixels]
    steps = {id(p): int(state["step"]) for o in made for p, state in o.state.items()}
    for name in set(m.NETWORKS) - {"code_classifier"}:  # ours: the paper has none
        assert {steps.get(id(p)) for p in getattr(m, name).parameters()} == {STEPS}, name
