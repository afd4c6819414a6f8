"""Cost of a whole recognizer against torch's own counter."""

import copy

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from autostr_nni.models.cost import PARTS, recognizer_costs
from autostr_nni.models.recognizer import Recognizer, build_recognizer, input_size
from autostr_nni.recipe.model import ModelSection
from autostr_nni.search_spaces.named import lookup
from autostr_nni.search_spaces.space import SearchSpace


def counted_by_torch(recognizer: Recognizer, model: ModelSection, characters: int) -> dict[str, int]:
    """MACs by part; without oneDNN the LSTM is made of matrix products, which torch's counter sees."""
    recognizer = copy.deepcopy(recognizer)
    recognizer.decoder.forward = recognizer.decoder.plain
    images = torch.zeros(1, 3, *input_size(model), dtype=torch.uint8)
    targets = torch.zeros(1, characters + 1, dtype=torch.long)
    with (
        torch.no_grad(),
        torch.backends.mkldnn.flags(enabled=False),
        FlopCounterMode(display=False, depth=2) as counter,
    ):
        recognizer(images, targets)
    counts = counter.get_flop_counts()
    return {part: sum(counts.get(f"Recognizer.{part}", {}).values()) // 2 for part in PARTS}


@pytest.fixture(scope="module")
def full() -> Recognizer:
    torch.manual_seed(0)
    architecture, _ = lookup("autostr-iiit5k")
    return build_recognizer(architecture, SearchSpace(), ModelSection(), classes=95).eval()


@pytest.mark.parametrize("characters", [1, 8])
def test_equals_torch_in_the_papers_setting(full: Recognizer, characters: int) -> None:
    model = ModelSection()
    costs = {cost.name: cost.macs for cost in recognizer_costs(full, model, characters)}
    assert costs == counted_by_torch(full, model, characters)
    assert costs["backbone"] == 246_739_200


def test_counts_every_parameter_once(full: Recognizer) -> None:
    costs = recognizer_costs(full, ModelSection())
    assert sum(cost.params for cost in costs) == sum(p.numel() for p in full.parameters())
    assert {cost.name: cost.params for cost in costs}["backbone"] == 2_364_128


def test_leaves_the_recognizer_as_it_was(full: Recognizer) -> None:
    before = set(full.state_dict())
    full.train()
    recognizer_costs(full, ModelSection())
    assert full.training
    assert set(full.state_dict()) == before
    full.eval()


def test_without_rectifier_and_encoder() -> None:
    model = ModelSection.model_validate({"rectifier": {"enabled": False}})
    architecture, _ = lookup("mbconv-k5e6")
    net = build_recognizer(architecture, SearchSpace(), model, classes=11, encoder=False).eval()
    costs = {cost.name: cost for cost in recognizer_costs(net, model, 3)}
    assert costs["rectifier"].macs == costs["rectifier"].params == 0
    assert costs["encoder"].macs == costs["encoder"].params == 0
    assert {name: cost.macs for name, cost in costs.items()} == counted_by_torch(net, model, 3)
