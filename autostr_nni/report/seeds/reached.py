"""What a search has reached at a cost: chosen on validation words, told on those and on test words."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from autostr_nni.report.equal_cost.costs import curve_of
from autostr_nni.report.nets import net_merit
from autostr_nni.report.reading.history import DONE

#: A training that ends so little after the cost counts: budgets come out equal to a few batches only.
SLACK = 1.02
VALIDATION = "validation"


def spent(search: Mapping[str, Any], unit: str) -> float:
    """All that a search has cost, failed trials and all its steps included."""
    return float(sum(trial[unit] for trial in search["trials"]))


def reached(search: Mapping[str, Any], unit: str, at: float) -> dict[str, float]:
    """Word accuracy by set at a cost; no entry where there is none yet.

    On validation it is the best so far, also within a training. On a test set it is that of the net which, of
    those trained to their end by then, is the most accurate on validation.
    """
    limit = at * SLACK
    nets = {net["trial"]: net for net in search["nets"]}
    before, best = 0.0, -math.inf
    chosen: Mapping[str, Any] | None = None
    for trial in search["trials"]:
        net = nets.get(trial["trial"])
        if net is not None:
            curve = curve_of(net, unit)
            told = zip(curve.costs, curve.scores, strict=True)
            best = max([best, *(score for cost, score in told if before + cost <= limit)])
            ended = net["status"] == DONE and before + curve.total <= limit
            better = chosen is None or net_merit(net) > net_merit(chosen)
            if ended and better and net["accuracy"] is not None:
                chosen = net
        before += trial[unit]
    found = {VALIDATION: best} if best > -math.inf else {}
    if chosen is not None:
        for name, test in chosen["tests"].items():
            if test["accuracy"] is not None:
                found[f"test {name}"] = test["accuracy"]
    return found
