"""What is told of trials and searches, by the keys of their files. Light.

MACs and parameters are millions; accuracies are shares, 0 to 1; losses are nats per word; latencies of nets
are milliseconds, other times seconds.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypedDict, cast

from autostr_nni.search_spaces.counting import UNITS

#: Figures that files of version 0.1 and NNI's page know by another name.
OTHER_NAMES = {"flops_m": "macs_m", "expected_flops_m": "expected_macs_m"}


class Figures(TypedDict, total=False):
    """An epoch of a trial as its validation found it, or its final report.

    A report of our own trials has all keys but those of searches; another's, or a damaged one, may
    lack any.
    """

    default: float  # what nets are chosen by, on validation: the larger the better (`evaluation.metric`)
    metric: str  # which that is; left out where it is the word accuracy, as are the next two
    word_accuracy: float
    cer: float  # character error rate
    loss: float
    training_loss: float
    case_sensitive: float
    one_minus_ned: float
    words: int  # of validation
    blind: float  # accuracy of always answering the commonest word
    macs_m: float  # of the backbone, for an image
    params_m: float
    latency_ms: float  # by the table of `search.cost`, where a search counts latencies
    expected_macs_m: float  # of an operator search, under its probabilities: of what it counts
    expected_params_m: float
    expected_latency_ms: float
    entropy: float  # of those, nats
    epoch: int  # from 0
    images_seen: int
    seconds: float
    architecture: str  # which an operator search or a ranking has found
    finalists: str  # all that it gives to be tried, by spaces
    test: dict[str, SetFigures]  # in reports of version 0.1


class SetFigures(TypedDict, total=False):
    """One test set as `autostr evaluate` scores it."""

    words: int
    word_accuracy: float
    correct: int
    case_sensitive_accuracy: float
    one_minus_ned: float
    cer: float  # character error rate
    empty: int  # words without a character that is compared
    loss: float
    skipped: dict[str, int]  # words that were not used, by cause


class TrialResult(TypedDict, total=False):
    """`result.json` of a trial, or of a net that was trained by itself."""

    parameters: dict[str, Any]
    metrics: Figures
    architecture: str
    probabilities: list[dict[str, float]]  # of an operator search: of every layer's operations
    test: dict[str, SetFigures]


#: The figures of a row that its trial told.
RowFigure = Literal["words", "loss", "macs_m", "params_m", "images_seen", "seconds"]


class Row(TypedDict, total=False):
    """A trial in a search's summary. A figure is None where it is not known."""

    trial: str
    stride_path: str | None
    epochs: int  # of a path that was compared with others after so many
    net: str  # what the trial is called by its search
    architecture: str
    parameters: dict[str, Any]  # of a user's own trials
    word_accuracy: float | None
    metric: str  # of `figure`; both are left out where nets are chosen by word accuracy
    figure: float | None
    words: float | None
    loss: float | None
    macs_m: float | None
    params_m: float | None
    cost: str  # the figure that the search counted; left out where that is `macs_m`, as is the next
    latency_ms: float
    images_seen: float | None
    seconds: float | None
    folder: str | None
    test: dict[str, SetFigures] | None  # of the best, and of a front


class Verdict(TypedDict):
    """What the findings do not show, in sentences; None for what there is nothing to say of."""

    best: str | None
    paths: str | None
    rungs: str | None
    operators: str | None
    ranking: str | None
    nets: str | None


class Summary(TypedDict):
    """What a search found."""

    trials: int
    failed: list[str]
    paths: list[Row]  # by loss
    found: str | None  # by the operator search
    architectures: list[Row]  # by word accuracy
    best: Row | None
    front: list[Row]  # by cost, the best last; none where one net was wanted (`search.front`)
    verdict: Verdict


class Outcome(Summary):
    """How a search without NNI ended; `failure` is a sentence, None for a search with a result."""

    strategy: str
    failure: str | None
    folder: str


#: Called with the figures of each epoch and False, then with the final ones and True.
Report = Callable[[Figures, bool], None]


def figures(content: Mapping[str, Any]) -> Figures:
    """What a file or a message tells, by today's names."""
    return cast(Figures, {OTHER_NAMES.get(key, key): value for key, value in content.items()})


def number(told: Mapping[str, Any] | None, key: str) -> float | None:
    """A finite number out of a report, or None."""
    value = (told or {}).get(key)
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        return None
    return float(value)


def counted(told: Mapping[str, Any] | None) -> str:
    """Which of a net's figures its search counted against the budget (`counting.UNITS`): the expected one."""
    return next((key for key in UNITS if f"expected_{key}" in (told or {})), "macs_m")
