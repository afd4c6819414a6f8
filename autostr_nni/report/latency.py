"""What reading costs with the best net of each search: timed here, if the report is asked for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.latency.settings import Settings
from autostr_nni.report.nets import architecture_of
from autostr_nni.report.reading.history import SearchHistory, checked_recipe

#: Why reading with a search's net is not timed.
UNTIMED = "it has no net yet, or its recipe or its best architecture is not known"


def reading_costs(
    report: Mapping[str, Any], histories: Sequence[SearchHistory], settings: Settings
) -> dict[str, Any]:
    """Times of all best nets side by side: what `reading_times` gives, and whose they are.

    ``searches`` are the keys of those whose nets are timed, in order, ``own`` has the translator of each
    recipe, and ``missing`` the searches without a net whose recipe and architecture are known.
    """
    from autostr_nni.data.charset import Charset
    from autostr_nni.latency.reading import Net, reading_times

    nets: dict[str, Net] = {}
    own: dict[str, str] = {}
    for search, history in zip(report["searches"], histories, strict=True):
        recipe, best = checked_recipe(history.recipe), search["best"]
        found = architecture_of(best["architecture"], search["space"]) if best else None
        if recipe is not None and found is not None:
            classes = Charset.named(recipe.data.charset).classes
            nets[search["key"]] = Net(*found, recipe.model, classes, recipe.data.max_length)
            own[search["key"]] = recipe.model.translator.kind
    return {
        **reading_times(list(nets.values()), settings),
        "searches": list(nets),
        "own": own,
        "missing": [search["key"] for search in report["searches"] if search["key"] not in nets],
    }
