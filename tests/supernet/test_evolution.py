"""Evolution on a supernet's losses: distinct nets of the band, and better ones than chance finds."""

from __future__ import annotations

import pytest

from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.supernet import evolution as module
from autostr_nni.supernet.evolution import Ranked, best, next_net
from autostr_nni.system.errors import InputError

SPACE = SearchSpace(stem_width=8, stage_widths=(8,) * 5, stage_layers=(2, 1, 1, 1, 1))
BAND = (400_000, 2_000_000)


def loss(net: Architecture) -> float:
    """Lower for k5e6 and late downsampling."""
    late = sum(place for place, stride in enumerate(net.path.strides) if stride != (1, 1))
    return 100.0 - 5 * net.operations.count("k3e3") - late


def evolved(seed: int, nets: int, population: int) -> list[Ranked]:
    found: list[Ranked] = []
    while len(found) < nets:
        net = next_net(SPACE, found, seed, BAND, population)
        assert net is not None
        found.append(Ranked(net, loss(net)))
    return found


def test_nets_are_distinct_and_of_the_band() -> None:
    nets = [one.net for one in evolved(0, 60, 20)]
    assert len(set(nets)) == 60
    assert all(BAND[0] <= macs_of(net, SPACE) <= BAND[1] for net in nets)


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_better_nets_than_chance(seed: int) -> None:
    mean = [sum(one.loss for one in best(evolved(seed, 60, among), 10)) for among in (15, 60)]
    assert mean[0] < mean[1] - 20


def test_the_same_losses_lead_to_the_same_net() -> None:
    found = evolved(1, 30, 10)
    assert evolved(1, 31, 10)[-1].net == next_net(SPACE, found, 1, BAND, 10)
    assert evolved(2, 1, 10)[0] != found[0]


def test_a_space_that_is_ranked_whole_has_no_further_net() -> None:
    space = SearchSpace(
        height=4, width=8, out_width=2, stage_widths=(4,), stage_layers=(2,), operations=("k3e1", "skip")
    )
    found: list[Ranked] = []
    while (net := next_net(space, found, 0, (0, 10**9), 2)) is not None:
        found.append(Ranked(net, 1.0))
    assert len(found) == space.size()


def test_along_cost_small_nets_are_parents_and_chosen_too() -> None:
    def cost(net: Architecture) -> float:
        return macs_of(net, SPACE)

    found: list[Ranked] = []
    while len(found) < 60:
        net = next_net(SPACE, found, 0, BAND, 15, cost)
        assert net is not None
        found.append(Ranked(net, loss(net)))
    front, alone = best(found, 4, cost), best(found, 4)
    assert front[0] == min(found, key=lambda one: (one.loss, cost(one.net)))
    assert min(cost(one.net) for one in front) == min(cost(one.net) for one in found)
    assert min(cost(one.net) for one in front) < min(cost(one.net) for one in alone)
    for one in front:
        assert not any(o.loss <= one.loss and cost(o.net) < cost(one.net) for o in found)
    assert found != evolved(0, 60, 15)  # other parents than by the loss alone


def test_a_band_that_chance_seldom_meets_ends_a_ranking(monkeypatch: pytest.MonkeyPatch) -> None:
    """With no net at all that is an error; with some ranked, these are what there is."""

    def never(*given: object, **band: object) -> Architecture:
        raise InputError("none was met")

    ranked = evolved(0, 3, 20)
    monkeypatch.setattr(module, "sample_within", never)
    assert next_net(SPACE, ranked, 0, BAND, 20) is None
    with pytest.raises(InputError, match="none was met"):
        next_net(SPACE, [], 0, BAND, 20)
