"""What stands below the drawings, told by the report's data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autostr_nni.report.equal_cost.records import Costs, Front
from autostr_nni.report.figures.style import count
from autostr_nni.report.records import Path, Search
from autostr_nni.report.seeds.reached import VALIDATION


def ranks_caption(paths: Sequence[Path]) -> str:
    """How to read the ranking of paths."""
    text = "Step 1: each path with the same operation everywhere; the lowest validation loss is chosen."
    if any(path["loss_error"] is not None for path in paths):
        text += " Bars: 95 % over the draw of validation words."
        if any(path["tied"] for path in paths[1:]):
            text += " Hollow: not told apart from the first, the same words compared in pairs."
    return text


def seeds_caption(comparison: Mapping[str, Any]) -> str:
    """How to read the drawing."""
    sets = {pair["set"] for pair in comparison["pairs"]}
    scored = "the validation words, as there is no test set" if sets == {VALIDATION} else "test words"
    text = (
        f"Above: each search on {scored}, by the net that is best on validation words of those trained by "
        "then; lines join searches of one seed, bars are means. Below: the mean of the differences within "
        "seeds, with the t interval over seeds."
    )
    if len(comparison["pairs"]) > 1:
        text += f" The intervals of all {len(comparison['pairs'])} comparisons hold together at 95 %."
    return text


def net_count(count: int) -> str:
    """``1 net``, ``5 nets``."""
    return "1 net" if count == 1 else f"{count} nets"


def front(count: int) -> str:
    """How many nets are on the Pareto front."""
    if not count:
        return "No net has been trained to its end yet, so there is no Pareto front."
    verb = "is" if count == 1 else "are"
    return f"{net_count(count).capitalize()} {verb} on the Pareto front: none is smaller and as accurate."


def front_caption(front: Front, members: Sequence[Search]) -> str:
    """How to read the fronts, and whose is ahead at equal cost."""
    text = (
        "Large marks: the nets that were asked for (search.front). Small ones: all that were trained; the "
        "line joins those than which none is cheaper and as accurate. The hypervolume is the area below "
        "it, over its width: the mean of the best accuracy over all budgets, from the cheapest of these "
        "nets to the dearest."
    )
    return " ".join([text, *front_sentences(front, {search["key"]: search["label"] for search in members})])


def front_sentences(front: Front, labels: Mapping[str, str]) -> list[str]:
    """Whose hypervolume is ahead, of every search that was compared with random search."""
    return [
        f"At {count(row['at'])} images the front of {labels[row['search']]} has the hypervolume "
        f"{row['hypervolume']:.3f}, that of {labels[row['random']]} {row['random_median']:.3f} "
        f"({row['random_low']:.3f} to {row['random_high']:.3f}); it is ahead in {100 * row['wins']:.0f} % of "
        "the orders of random nets."
        for row in front["equal_cost"]
    ]


def cost_caption(cost: Costs, unit: str, members: Sequence[Search], several: bool) -> str:
    """How to read the curves, and who is ahead at equal cost."""
    text = "Everything a search spent counts, all steps and failed trials included."
    if several:
        return f"{text} Thin: each seed. Bold: their mean, from where all have a net until one has ended."
    if cost["bands"]:
        counts = " and ".join(str(band["nets"]) for band in cost["bands"].values())
        text += f" Random search: median and middle 95 % over 2000 resampled orders of its {counts} nets."
    labels = {search["key"]: search["label"] for search in members}
    for row in cost["equal_cost"]:
        text += (
            f" At {count(row['at'])} {unit}, {labels[row['search']]} has {_reached(row['accuracy'])}, "
            f"{labels[row['random']]} {_reached(row['random_median'])} "
            f"({_reached(row['random_low'])} to {_reached(row['random_high'])}); "
            f"it is ahead in {100 * row['wins']:.0f} % of the orders."
        )
    return text


def _reached(accuracy: float | None) -> str:
    return "no net yet" if accuracy is None else f"{100 * accuracy:.1f} %"
