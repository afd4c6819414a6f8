"""The parts of a report's data, as the page, the drawings, the CSV and the JSON have them.

A figure is None where it is not known.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypedDict

from autostr_nni.report.equal_cost.records import Costs, Front
from autostr_nni.report.seeds.records import Comparison, Targets
from autostr_nni.runs.figures import Verdict


class Epoch(TypedDict):
    """What learning curves are drawn from."""

    images: float | None
    seconds: float | None
    accuracy: float | None
    loss: float | None
    training_loss: float | None


class Expected(TypedDict, total=False):
    """What a net costs under the probabilities of an operator search: the one that it counts."""

    expected_macs_m: float | None
    expected_params_m: float | None
    expected_latency_ms: float | None


class OperatorEpoch(Epoch, Expected):
    """An epoch of an operator search."""

    entropy: float | None


class TestSet(TypedDict):
    """A net's score on one test set, with the interval."""

    words: float | None
    correct: float | None
    accuracy: float | None
    low: float | None
    high: float | None
    one_minus_ned: float | None
    case_sensitive: float | None


class Spent(TypedDict):
    """What the trials cost that a trial went on from."""

    images: float
    seconds: float


class Counted(TypedDict, total=False):
    """What is there of nets whose search counted no MACs: by which figure, and the latency by its table."""

    cost: str
    latency_ms: float


class Net(Counted):
    """A net that was trained to be the result: the figures of its best epoch, and its test sets."""

    trial: str
    label: str
    largest: bool
    architecture: str | None
    status: str
    accuracy: float | None
    metric: str  # that it is chosen by
    words: float | None
    low: float | None
    high: float | None
    one_minus_ned: float | None
    loss: float | None
    macs_m: float | None
    params_m: float | None
    images: float
    seconds: float
    before: Spent
    tests: dict[str, TestSet]
    epochs: list[Epoch]
    folder: str | None


class Path(TypedDict):
    """A stride path of step 1, with how far its loss is behind the lowest and the noise of both."""

    path: str | None
    trial: str
    status: str
    loss: float | None
    accuracy: float | None
    macs_m: float | None
    images: float
    seconds: float
    compared_after: int | None
    chosen: bool
    epochs: list[Epoch]
    loss_error: float | None
    behind: float | None
    behind_error: float | None
    tied: bool | None


class Operators(TypedDict):
    """An operator search, epoch by epoch."""

    trial: str
    path: str | None
    status: str
    architecture: str | None
    epochs: list[OperatorEpoch]
    probabilities: list[dict[str, Any]]  # as `probabilities.jsonl` has them


class Failed(TypedDict):
    """A trial that failed, and why."""

    trial: str
    step: str
    path: str | None
    reason: str | None


class TrialCost(TypedDict):
    """What a trial cost."""

    trial: str
    step: str
    status: str
    images: float
    seconds: float


class Search(TypedDict):
    """One search: its state, what it cost, and what it found."""

    key: str
    label: str
    name: str
    id: str
    kind: str
    strategy: str
    baseline: bool
    compared: bool
    folder: str
    state: str
    sentence: str
    plain_end: bool
    planned: int | None
    done: int
    running: int
    failed: list[Failed]
    unread: dict[str, int]
    recipe_source: str | None
    seed: int | None
    target: str | None  # of several in its recipe
    space: Mapping[str, Any] | None
    images: float
    seconds: float
    wall_seconds: float | None
    nets_trained: int
    best: Net | None
    front: list[str]  # trials by cost, where several nets were asked for
    nets: list[Net]
    paths: list[Path]
    operators: list[Operators]
    verdict: Verdict
    doubts: list[str]
    trials: list[TrialCost]


class Difference(TypedDict):
    """A setting that differs between recipes: its value by search, and whether it can change a result."""

    key: str
    values: dict[str, Any]
    weight: bool


class Setting(TypedDict):
    """A setting of a recipe, and whether it is the default."""

    key: str
    value: Any
    default: bool


class Settings(TypedDict):
    """The recipes side by side."""

    compared: int
    differences: list[Difference]
    missing: list[str]
    recipes: dict[str, list[Setting]]


class Alike(TypedDict):
    """Searches over one space, by their keys."""

    name: str
    space: Mapping[str, Any] | None
    searches: list[str]


class OnFront(TypedDict):
    """A net on a front: its search's key, and its trial, as other searches may have one of the same name."""

    search: str
    trial: str


class Space(Alike):
    """What is compared of them: nets on the fronts and costs by name, and strategies over seeds."""

    pareto: dict[str, list[OnFront]]
    cost: dict[str, Costs]
    comparison: Comparison
    front: Front | None  # where a search was asked for one


class Report(TypedDict):
    """The whole report."""

    autostr: str
    searches: list[Search]
    spaces: list[Space]
    settings: Settings
    reading: dict[str, Any] | None  # `latency.reading_costs`, where it is asked for
    targets: Targets | None
    notes: list[str]
