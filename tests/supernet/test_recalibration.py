"""Recalibrated statistics are those of the net itself on the images given."""

from __future__ import annotations

import random

import torch

from autostr_nni.models.recognizer import Recognizer
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.one_shot import OneShotSupernet
from autostr_nni.supernet.recalibration import recalibrate

SPACE = SearchSpace(stem_width=4, stage_widths=(4,) * 5, stage_layers=(2, 1, 1, 1, 1))
MODEL = ModelSection.model_validate(
    {
        "rectifier": {"enabled": False},
        "translator": {"kind": "ctc", "encoder_layers": 1, "hidden": 4},
    }
)


def test_statistics_are_the_mean_of_the_batches_whatever_ran_before() -> None:
    torch.manual_seed(0)
    supernet = OneShotSupernet(space=SPACE)
    recognizer = Recognizer(supernet, 5, MODEL)
    nets = [SPACE.sample(random.Random(seed)) for seed in range(4)]
    for net in nets:
        supernet.choose(net)
        recognizer.train().features(torch.rand(3, 3, 32, 100) * 2 - 1)
    batches = [torch.rand(size, 3, 32, 100) * 2 - 1 for size in (4, 4, 4)]
    momentum = supernet.stem.bn.momentum
    supernet.choose(nets[0])
    weights = [parameter.clone() for parameter in recognizer.parameters()]
    assert recalibrate(recognizer, batches) == 12
    assert not recognizer.training and supernet.stem.bn.momentum == momentum
    outputs = [supernet.stem.conv(batch) for batch in batches]
    means = torch.stack([out.mean((0, 2, 3)) for out in outputs])
    spreads = torch.stack([out.var((0, 2, 3)) for out in outputs])
    assert torch.allclose(supernet.stem.bn.running_mean, means.mean(0), atol=1e-5)
    assert torch.allclose(supernet.stem.bn.running_var, spreads.mean(0), rtol=1e-4)
    assert all(torch.equal(a, b) for a, b in zip(weights, recognizer.parameters(), strict=True))
    first = {key: value.clone() for key, value in supernet.net_state(nets[0]).items()}
    supernet.choose(nets[1])
    recalibrate(recognizer, batches)
    supernet.choose(nets[0])
    recalibrate(recognizer, batches)
    assert all(torch.equal(first[key], value) for key, value in supernet.net_state(nets[0]).items())
