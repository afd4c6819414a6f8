"""Where candidates come from."""

from __future__ import annotations

import random
from typing import Any

import pytest

from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import candidates as module
from autostr_nni.strategies.candidates import Candidates
from autostr_nni.system.errors import InputError

SPACE = SearchSpace()


def test_a_band_that_few_nets_are_in_is_met() -> None:
    """About one net of a thousand: random search draws in it too."""
    band = (600_000_000, 605_000_000)
    candidates = Candidates(SPACE, band, MACS, 0.5, 9)
    for seed in "abc":
        assert band[0] <= macs_of(candidates.draw(seed, set(), [], []), SPACE) <= band[1]


def test_a_budget_that_chance_seldom_meets_ends_the_draws(monkeypatch: pytest.MonkeyPatch) -> None:
    """The nets met so far are what is left to choose from; without one, no candidate is told."""
    drawn = iter([SPACE.sample(random.Random(0)) for _ in range(1)])

    def seldom(*given: Any, **band: Any) -> Any:
        for net in drawn:
            return net
        raise InputError("none was met")

    monkeypatch.setattr(module, "sample_within", seldom)
    candidates = Candidates(SPACE, (0, 10**12), MACS, 0.5, 9)
    first = candidates.draw("a", set(), [], [])
    assert first is not None and candidates.draw("b", {first.text}, [], []) is None
