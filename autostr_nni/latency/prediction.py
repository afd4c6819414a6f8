"""How well times of blocks predict whole nets, and whether the machine drifted meanwhile."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

#: A change of speed between the first and the last third of the rounds that is told.
DRIFT = 0.05


@dataclass(frozen=True)
class Timed:
    """A whole net: the sum of its stem and blocks as the table has them, what was measured, and its MACs."""

    architecture: str
    sum_ns: int
    measured_ns: int
    macs: int


def fitted_constant(nets: Sequence[Timed]) -> int:
    """What nets take beside their parts: the median of what the sums leave."""
    return round(median(net.measured_ns - net.sum_ns for net in nets))


def check(nets: Sequence[Timed], constant_ns: int) -> dict[str, Any]:
    """Errors of predictions, as shares of what was measured, and Kendall's tau between the two.

    Beside it the tau between MACs and what was measured: what a table is better than.
    """
    measured = [net.measured_ns for net in nets]
    predicted = [net.sum_ns + constant_ns for net in nets]
    errors = [abs(guess - ns) / ns for guess, ns in zip(predicted, measured, strict=True)]
    return {
        "median_error": median(errors),
        "largest_error": max(errors),
        "kendall_tau": _tau(predicted, measured),
        "kendall_tau_of_macs": _tau([net.macs for net in nets], measured),
        "nets": [
            {
                "architecture": net.architecture,
                "predicted_ns": guess,
                "measured_ns": net.measured_ns,
                "macs": net.macs,
            }
            for net, guess in zip(nets, predicted, strict=True)
        ],
    }


def _tau(first: Sequence[int], second: Sequence[int]) -> float:
    """Kendall's tau-b; 0 where one side is all the same."""
    from scipy.stats import kendalltau

    tau = float(kendalltau(first, second).statistic)
    return tau if math.isfinite(tau) else 0.0


def drift(rounds: Sequence[Sequence[int]]) -> float:
    """How much slower the last third of the rounds was than the first, over all blocks: 0.1 is 10 %.

    Args:
        rounds: times of all blocks, by round.
    """
    third = max(1, len(rounds) // 3)
    ratios = []
    for first, last in zip(
        zip(*rounds[:third], strict=True), zip(*rounds[-third:], strict=True), strict=True
    ):
        if median(first) > 0:
            ratios.append(median(last) / median(first))
    return median(ratios) - 1 if ratios else 0.0
