"""MACs and parameters against the paper's net, and against what torch counts in the built networks."""

from __future__ import annotations

import dataclasses
import random

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from autostr_nni.models.backbone import Backbone
from autostr_nni.models.operations import build_operation
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import (
    MACS,
    Cost,
    backbone_costs,
    operation_cost,
    total,
)
from autostr_nni.search_spaces.named import NAMED, lookup
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION, OPERATIONS
from autostr_nni.search_spaces.space import SearchSpace

SPACE = SearchSpace()


def measure(module: nn.Module, *shape: int) -> Cost:
    """Count a module as torch does, on one image; it counts two operations per MAC."""
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module.eval()(torch.zeros(1, *shape))
    return Cost(counter.get_total_flops() // 2, sum(p.numel() for p in module.parameters()))


def test_the_papers_net():
    costs = backbone_costs(lookup("autostr-iiit5k")[0], SPACE)
    assert total(costs) == Cost(macs=246_739_200, params=2_364_128)
    assert len(costs) == 16 and [costs[0].name, costs[1].name] == ["stem", "layer 1"]
    assert costs[0].in_shape == (3, 32, 100) and costs[0].out_shape == (32, 32, 100)
    assert costs[-1].out_shape == (512, 1, 25)
    assert costs[-1].operation == "skip" and costs[-1].macs == costs[-1].params == 0
    for before, after in zip(costs, costs[1:], strict=False):
        assert before.out_shape == after.in_shape


@pytest.mark.parametrize("name", NAMED)
def test_named_networks_as_torch_counts(name):
    architecture, stage_layers = lookup(name)
    space = dataclasses.replace(SPACE, stage_layers=stage_layers)
    assert total(backbone_costs(architecture, space)) == measure(Backbone(architecture, space), 3, 32, 100)


@pytest.mark.parametrize("projection_skip", [False, True])
def test_drawn_networks_as_torch_counts(projection_skip):
    space = SearchSpace(
        height=16, width=64, out_height=1, out_width=16, stem_width=6, stage_widths=(8, 12, 20),
        stage_layers=(2, 3, 2), projection_skip=projection_skip,
        operations=(*OPERATIONS, DEFAULT_OPERATION, "k7e2"),
    )  # fmt: skip
    rng = random.Random(4)
    for _ in range(10):
        architecture = space.sample(rng)
        costs = backbone_costs(architecture, space)
        assert total(costs) == measure(Backbone(architecture, space), 3, 16, 64)
        assert total(costs).macs >= MACS.smallest(space)


@pytest.mark.parametrize("op", [*OPERATIONS, DEFAULT_OPERATION])
@pytest.mark.parametrize("stride", [(1, 1), (2, 1), (2, 2), (1, 2)])
@pytest.mark.parametrize("cout", [4, 6])
def test_operations_as_torch_counts(op, stride, cout):
    # An odd size: strides round up.
    built = build_operation(op, 4, cout, stride, projection_skip=True)
    assert operation_cost(op, 4, cout, 7, 9, stride, projection_skip=True) == measure(built, 4, 7, 9)


def test_a_skip_that_changes_the_shape_has_no_cost_without_projection():
    assert operation_cost("skip", 8, 8, 4, 4, (1, 1)) == Cost(0, 0)
    with pytest.raises(ValueError, match="skip cannot lead from 8 channels to 9"):
        operation_cost("skip", 8, 9, 4, 4, (1, 1))


def test_the_table_holds_every_candidate():
    architecture = lookup("autostr-iiit5k")[0]
    table = MACS.table(architecture.path, SPACE)
    assert [set(row) for row in table] == [
        set(SPACE.candidates(architecture.path, layer)) for layer in range(1, 16)
    ]
    costs = backbone_costs(architecture, SPACE)
    chosen = [row[op] for row, op in zip(table, architecture.operations, strict=True)]
    assert [MACS.fixed(SPACE), *chosen] == [cost.macs for cost in costs]
    rebuilt = Architecture(architecture.path, architecture.operations)
    assert total(backbone_costs(rebuilt, SPACE)) == total(costs)
