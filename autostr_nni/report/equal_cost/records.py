"""What is compared at equal cost, as the report's data have it."""

from __future__ import annotations

from typing import Any, TypedDict


class EqualCost(TypedDict):
    """A search against random search at the cost that the cheaper of the two spent.

    An accuracy is None where there is no net yet. ``wins`` is the share of the orders in which random search
    is less accurate there, ties counted half.
    """

    search: str
    random: str
    at: float
    accuracy: float | None
    random_median: float | None
    random_low: float | None
    random_high: float | None
    wins: float
    random_nets: int


class StepEnd(TypedDict):
    """Where a step ends on a curve."""

    step: str
    end: float


class Observed(TypedDict):
    """Cost and best accuracy so far as it happened; ``steps`` are where a step ends."""

    cost: list[float]
    accuracy: list[float]
    steps: list[StepEnd]
    spent: float


class Costs(TypedDict):
    """Accuracy against one unit of cost: by search, of random orders, and at equal cost."""

    observed: dict[str, Observed]
    bands: dict[str, dict[str, Any]]  # `statistics.Band`
    equal_cost: list[EqualCost]


class FrontAtEqualCost(TypedDict):
    """A search's front against random search's at the images that the cheaper of the two has seen.

    ``wins`` is the share of the orders in which random search's hypervolume is less, ties counted half.
    """

    search: str
    random: str
    at: float
    hypervolume: float
    random_median: float
    random_low: float
    random_high: float
    wins: float
    random_nets: int


class Front(TypedDict):
    """The hypervolumes of searches between two costs, which are those of a net's figure ``cost``."""

    cost: str
    low: float
    high: float
    hypervolume: dict[str, float]  # by search
    equal_cost: list[FrontAtEqualCost]
