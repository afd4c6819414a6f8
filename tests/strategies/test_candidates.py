"""Where candidates come from."""

from __future__ import annotations

from autostr_nni.search_spaces.counting import MACS
from autostr_nni.search_spaces.drawing.within import macs_of
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.candidates import Candidates

SPACE = SearchSpace()


def test_a_band_that_few_nets_are_in_is_met() -> None:
    """About one net of a thousand: random search draws in it too."""
    band = (600_000_000, 605_000_000)
    candidates = Candidates(SPACE, band, MACS, 0.5, 9)
    for seed in "abc":
        assert band[0] <= macs_of(candidates.draw(seed, set(), [], []), SPACE) <= band[1]
