"""What a search counts of its nets: MACs, parameters or latencies; and draws within budgets of each."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from autostr_nni.search_spaces.counting import MACS, UNITS, Price, backbone_costs, total
from autostr_nni.search_spaces.drawing.largest import largest_within
from autostr_nni.search_spaces.drawing.within import macs_of, sample_within
from autostr_nni.search_spaces.latency import backbone_blocks
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from tests.made_table import made_price, made_table
from tests.tiny_space import TINY as SPACE

NETS = [SPACE.at(place) for place in range(SPACE.size())]
TABLE = made_table(SPACE)
PRICES = {"macs": MACS, "parameters": Price("parameters"), "latency": made_price(SPACE)}


@pytest.fixture(params=PRICES)
def price(request: pytest.FixtureRequest) -> Price:
    return PRICES[request.param]


def test_each_counts_what_it_says() -> None:
    for net in NETS:
        cost = total(backbone_costs(net, SPACE))
        assert MACS.of(net, SPACE) == macs_of(net, SPACE) == cost.macs
        assert PRICES["parameters"].of(net, SPACE) == cost.params
        found = PRICES["latency"].of(net, SPACE)
        exact = TABLE.constant_ns + TABLE.stem_ns + sum(TABLE.ns(*b) for b in backbone_blocks(net, SPACE))
        assert abs(found - exact) <= 50 * SPACE.layers  # a tenth of a microsecond is the grain of a layer
        assert PRICES["latency"].figure(net, SPACE) == found / 1e6
    assert [each.key for each in PRICES.values()] == list(UNITS)
    assert [each.said(3_900_000) for each in PRICES.values()] == ["3.9 M MACs", "3.9 M parameters", "3.9 ms"]


def test_the_table_of_a_path_and_the_smallest_are_those_of_all_nets(price: Price) -> None:
    assert price.smallest(SPACE) == min(price.of(net, SPACE) for net in NETS)
    for net in NETS[:: len(NETS) // 20]:
        table = price.table(net.path, SPACE)
        assert [set(layer) for layer in table] == [
            set(SPACE.candidates(net.path, layer)) for layer in range(1, SPACE.layers + 1)
        ]
        names = zip(table, net.operations, strict=True)
        assert price.fixed(SPACE) + sum(layer[name] for layer, name in names) == price.of(net, SPACE)


def test_draws_within_a_band_are_all_of_it_and_nothing_else(price: Price) -> None:
    costs = {net: price.of(net, SPACE) for net in NETS}
    some = sorted(set(costs.values()))
    low, high = some[len(some) // 4], some[len(some) // 2]
    within = {net for net, cost in costs.items() if low <= cost <= high}
    rng = random.Random(0)
    drawn = Counter(sample_within(SPACE, rng, high, least=low, price=price) for _ in range(20 * len(within)))
    assert set(drawn) == within
    with pytest.raises(
        InputError, match=f"a budget of .* {price.unit} is too small to draw under: .* {price.unit}$"
    ):
        sample_within(SPACE, rng, some[0] - 1, price=price)


def test_the_largest_is_that_of_all_nets(price: Price) -> None:
    costs = {net: price.of(net, SPACE) for net in NETS}
    for limit in sorted(set(costs.values()))[::5]:
        found = largest_within(SPACE, random.Random(0), limit, price=price)
        assert costs[found] == max(cost for cost in costs.values() if cost <= limit)
        paths = list(SPACE.paths)[:2]
        if (
            price.fixed(SPACE)
            + min(sum(min(layer.values()) for layer in price.table(path, SPACE)) for path in paths)
            <= limit
        ):
            found = largest_within(SPACE, random.Random(0), limit, paths, price)
            assert costs[found] == max(c for net, c in costs.items() if net.path in paths and c <= limit)


def test_latencies_and_macs_order_nets_differently() -> None:
    """So that a test of the one cannot pass by the other."""
    ranked = [sorted(NETS, key=lambda net: price.of(net, SPACE)) for price in (MACS, PRICES["latency"])]
    assert ranked[0] != ranked[1]


def test_the_largest_net_of_the_papers_space_by_latency() -> None:
    space = SearchSpace()
    price = made_price(space)
    assert price.smallest(space) < 3_000_000
    found = price.of(largest_within(space, random.Random(0), 3_000_000, price=price), space)
    assert 2_999_000 < found <= 3_000_000


def test_a_net_of_another_space_has_no_figure() -> None:
    other = SearchSpace(height=4, width=8, out_width=2, stem_width=16, stage_widths=(16,), stage_layers=(3,))
    net = other.sample(random.Random(0))
    assert PRICES["latency"].figure(net, other) is None
    with pytest.raises(InputError, match="measure again"):
        PRICES["latency"].of(net, other)
