"""An operation is one entry: what is registered can be searched, counted, built, drawn and trained."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

import pytest
import torch
from torch import nn

from autostr_nni.models.backbone import Backbone
from autostr_nni.models.operations import build_operation
from autostr_nni.recipe import recipe_from
from autostr_nni.report.figures.architecture import draw_architecture
from autostr_nni.search_spaces import operations
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import backbone_costs, operation_cost, total
from autostr_nni.search_spaces.operation import Cost, Operation, changes_shape, conv_bn_cost
from autostr_nni.search_spaces.operations import OPERATIONS, parse, register
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet.supernet import Supernet
from autostr_nni.system.errors import InputError

WIDTHS = (4, 4, 8, 8, 16)


class Plain(Operation):
    """A convolution and its normalisation, which keeps the shape."""

    name, label, fill = "plain3", "plain 3×3", "#cfe8cf"
    keeps_shape = True

    def cost(self, cin: int, cout: int, h: int, w: int, stride: tuple[int, int]) -> Cost:
        return conv_bn_cost(cin, cout, 3, h, w)

    def build(self, cin: int, cout: int, stride: tuple[int, int]) -> nn.Module:
        return nn.Sequential(nn.Conv2d(cin, cout, 3, padding=1, bias=False), nn.BatchNorm2d(cout))


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch) -> Iterator[Operation]:
    monkeypatch.setattr(operations, "_known", dict(operations._known))
    yield register(Plain())


def recipe(names: list[str], **path: object) -> dict[str, object]:
    return {
        "data": {"train": ["-"], "validation": ["-"]},
        "search": {"operators": {"operations": names}, "path": path},
    }


def test_an_mbconv_of_another_kernel_is_searched_like_the_papers() -> None:
    found = recipe_from(recipe(["k3e1", "k7e3"]), Path("/"))
    assert found.space().operations == ("k3e1", "k7e3")
    assert OPERATIONS not in (found.space().operations,) and "k7e3" not in OPERATIONS  # the default stays


@pytest.mark.parametrize("name", ["k7e3", "plain3", "res3"])
@pytest.mark.usefixtures("plain")
def test_any_operation_is_counted_built_searched_and_drawn(name: str) -> None:
    space = SearchSpace(
        height=32, width=40, out_width=10, stem_width=4, stage_widths=WIDTHS, operations=("k3e1", name)
    )
    path = space.typical_paths()[0]
    names = [name if name in space.candidates(path, layer) else "k3e1" for layer in range(1, 16)]
    assert names.count(name) >= 10
    architecture = Architecture(path, tuple(names), space.stage_layers)
    assert Architecture.parse(architecture.text, space) == architecture
    backbone = Backbone(architecture, space)
    cost = total(backbone_costs(architecture, space))
    assert cost.params == sum(p.numel() for p in backbone.parameters())
    images = torch.randn(2, 3, 32, 40)
    backbone.train()(images).square().mean().backward()  # type: ignore[no-untyped-call]
    assert all(p.grad is not None for p in backbone.parameters())
    supernet = Supernet(path, space)
    assert any(name in block.names for block in supernet.choice_blocks)
    supernet.choose([len(block.names) - 1 for block in supernet.choice_blocks])
    assert supernet(images).shape == (2, 10, 16)
    texts = [text.get_text() for text in draw_architecture(architecture, space).axes[0].texts]
    assert texts.count(parse(name).label) == names.count(name)
    assert name in {drawn for _ in range(20) for drawn in space.sample(Random(_)).operations}


@pytest.mark.usefixtures("plain")
def test_what_keeps_the_shape_stands_where_it_is_kept() -> None:
    for projection_skip in (False, True):
        space = SearchSpace(operations=("k3e1", "plain3"), projection_skip=projection_skip)
        for layer in range(1, 16):
            path = space.typical_paths()[0]
            assert ("plain3" in space.candidates(path, layer)) != changes_shape(
                *space.layer_widths[layer - 1], path.strides[layer - 1]
            )
    with pytest.raises(InputError, match="plain3 is not offered at a layer that changes shape"):
        build_operation("plain3", 4, 8, (1, 1), projection_skip=True)
    with pytest.raises(InputError, match="needs an operation besides skip and plain3, which cannot change"):
        recipe_from(recipe(["skip", "plain3"]), Path("/"))


@pytest.mark.usefixtures("plain")
def test_a_name_is_one_operations() -> None:
    class Other(Plain):
        pass

    class Seven(Plain):
        name = "k7e3"

    class Nameless(Plain):
        name = "a,b"

    with pytest.raises(InputError, match="operation plain3 is there already, of .*operations.Plain; use"):
        register(Other())
    with pytest.raises(InputError, match="operation k7e3 is there already, of .*operation.MBConv"):
        register(Seven())
    with pytest.raises(InputError, match="operation 'a,b': a name is a letter and"):
        register(Nameless())
    register(Plain())  # a module that is loaded once more
    with pytest.raises(InputError, match=r"use one of k3e1, .*, skip, res3, plain3; did you mean plain3\?"):
        parse("plan3")


def test_the_operation_that_ranks_paths_is_one_of_the_space() -> None:
    """Refused before a search: no trial of step 1 could be built."""
    told = "search.path.default_operation: is 'k5e6', which is not among search.operators.operations"
    with pytest.raises(InputError, match=told):
        recipe_from(recipe(["k3e1", "skip"], default_operation="k5e6"), Path("/"))
    assert recipe_from(recipe(["k3e1", "k7e3"], default_operation="k7e3"), Path("/"))
    with pytest.raises(InputError, match="is 'skip', which cannot change"):
        recipe_from(recipe(["k3e1", "skip"], default_operation="skip"), Path("/"))


def test_an_operation_that_is_loaded_once_more_costs_what_it_is_now(plain: Operation) -> None:
    """As where a notebook's cell is changed and run again."""
    before = operation_cost("plain3", 8, 8, 4, 4, (1, 1))

    def cost(self: Any, cin: int, cout: int, h: int, w: int, stride: tuple[int, int]) -> Cost:
        return conv_bn_cost(cin, cout, 5, h, w)

    again = type("Plain", (Plain,), {"cost": cost, "__module__": Plain.__module__, "__qualname__": "Plain"})
    register(again())
    assert operation_cost("plain3", 8, 8, 4, 4, (1, 1)).macs == before.macs * 25 // 9


def test_an_operation_that_is_a_dataclass() -> None:
    """Python makes objects that are compared by their fields no keys of anything."""

    @dataclass
    class Wide(Operation):
        kernel: int

        def __post_init__(self) -> None:
            self.name = f"wide{self.kernel}"

        def cost(self, cin: int, cout: int, h: int, w: int, stride: tuple[int, int]) -> Cost:
            return conv_bn_cost(cin, cout, self.kernel, h, w)

    register(Wide(3))
    register(Wide(5))
    costs = [operation_cost(name, 8, 8, 4, 4, (1, 1)).macs for name in ("wide3", "wide5", "wide3")]
    assert costs == [costs[0], costs[0] * 25 // 9, costs[0]]
