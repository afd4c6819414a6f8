"""What is compared over seeds, as the report's data have it."""

from __future__ import annotations

from typing import TypedDict


class SeedRow(TypedDict):
    """Two strategies with one seed: what each cost and reached, and how far the first is ahead."""

    seed: int
    at: float | None
    first_cost: float
    second_cost: float
    first: float | None
    second: float | None
    difference: float | None


class SeedFigure(TypedDict):
    """Two strategies on one set at one cost: a row per seed, the mean difference with its interval, wins."""

    unit: str
    set: str
    rows: list[SeedRow]
    n: int
    compared: int
    mean: float | None
    low: float | None
    high: float | None
    p: float | None
    wins: int
    ties: int
    losses: int
    comparisons: int


class Pair(TypedDict):
    """Two groups against one another; ``set`` is the one that the ``sentence`` is about."""

    first: str
    second: str
    seeds: list[int]
    figures: list[SeedFigure]
    set: str
    sentence: str


class Across(TypedDict):
    """Two targets of one strategy against one another, with a sentence for each test set that either has."""

    first: str
    second: str
    seeds: list[int]
    figures: list[SeedFigure]
    sentences: list[str]


class Group(TypedDict):
    """A strategy with several seeds."""

    key: str
    label: str
    strategy: str
    searches: list[str]
    seeds: list[int]


class Comparison(TypedDict):
    """The searches of one space by group and seed; ``left_out`` are sentences."""

    groups: list[Group]
    pairs: list[Pair]
    left_out: list[str]


class TargetSet(TypedDict):
    """A test set, and the targets that it is of: several where it is common to them."""

    set: str
    targets: list[str]


class TargetRow(TypedDict):
    """A search, and the target that it was for."""

    search: str
    target: str


class NetDifference(TypedDict):
    """Layers in which the best nets of two searches differ; ``between`` says in what the searches do."""

    first: str
    second: str
    between: str  # "targets", "seeds" or "both"
    layers: int
    operations: int
    strides: int


class Targets(TypedDict):
    """Searches for several targets side by side."""

    sets: list[TargetSet]
    rows: list[TargetRow]
    pairs: list[Across]
    differences: list[NetDifference]
    sentences: list[str]
