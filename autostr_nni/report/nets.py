"""The nets of a search: accuracy with its interval, test sets, size and learning curve."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from autostr_nni.recipe.words.metric import WORD_ACCURACY, Metric, metric_of
from autostr_nni.report.reading.history import FAILED, SearchHistory, TrialHistory
from autostr_nni.report.records import Epoch, Net, TestSet
from autostr_nni.report.statistics import wilson
from autostr_nni.runs.figures import Figures, counted, number
from autostr_nni.runs.trial_record import architecture_text
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies.steps import LARGEST, NET
from autostr_nni.strategies.trials import merit
from autostr_nni.system.errors import InputError


def net_data(trial: TrialHistory, history: SearchHistory, place: int) -> Net:
    """A net that was trained to be the result: the figures of its best epoch, and its test sets."""
    best = best_of(trial)
    text = architecture_text(trial.parameters) or trial.result.get("architecture")
    facts = history.facts
    label = history.name if facts is None else facts.label.replace("{place}", str(place))
    if is_largest(trial.parameters):
        label = "largest of the band"
    net: Net = {
        "trial": trial.id,
        "label": label,
        "largest": is_largest(trial.parameters),
        "architecture": text,
        "status": trial.status,
        "accuracy": number(best, "default"),
        "metric": metric_of(best).name,
        "words": number(best, "words"),
        "one_minus_ned": number(best, "one_minus_ned"),
        "loss": number(best, "loss"),
        "macs_m": number(best, "macs_m"),
        "params_m": number(best, "params_m"),
        "images": trial.spent("images_seen"),
        "seconds": trial.spent("seconds"),
        "before": {"images": trial.before("images_seen"), "seconds": trial.before("seconds")},
        "tests": {},
        "epochs": [epoch_data(line) for line in trial.epochs],
        "folder": str(trial.folder) if trial.folder else None,
        "low": None,
        "high": None,
    }
    if (cost := counted(best)) != "macs_m":
        net["cost"] = cost
    if (latency := number(best, "latency_ms")) is not None:
        net["latency_ms"] = latency
    tests = trial.result.get("test") or (trial.metrics or {}).get("test")
    for name, values in tests.items() if isinstance(tests, Mapping) else ():
        if isinstance(values, Mapping):
            net["tests"][str(name)] = test_data(values, metric_of(best))
    return net


def is_largest(parameters: Mapping[str, Any]) -> bool:
    """Whether a trial trains the largest net of the band, which random search does not draw."""
    return parameters.get(NET) == LARGEST


def ranked_by_accuracy(nets: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The best on validation first, those without a figure last."""
    return sorted(nets, key=net_merit, reverse=True)


def net_merit(net: Mapping[str, Any]) -> tuple[float, float]:
    """`merit` of a report's net."""
    return merit({"default": net["accuracy"], "loss": net["loss"]})


def chosen_label(nets: Iterable[Mapping[str, Any]]) -> str:
    """What nets are chosen by, in words; more than one where they are not chosen alike."""
    return " or ".join(dict.fromkeys(metric_of(net).label for net in nets)) or WORD_ACCURACY.label


def test_data(values: Mapping[str, Any], metric: Metric = WORD_ACCURACY) -> TestSet:
    """One test set as ``autostr evaluate`` scored it, with the interval of a share of words."""
    words = number(values, "words")
    accuracy = number({"value": metric.of_set(values)}, "value")
    correct = number(values, "correct") if metric is WORD_ACCURACY else None
    if metric.name == "case_sensitive" and words is not None:
        words += number(values, "empty") or 0
    if metric.of_words and correct is None and words is not None and accuracy is not None:
        correct = round(accuracy * words)
    low, high = wilson(int(correct), int(words)) if correct is not None and words else (None, None)
    return {
        "words": words,
        "correct": correct,
        "accuracy": accuracy,
        "low": low,
        "high": high,
        "one_minus_ned": number(values, "one_minus_ned"),
        "case_sensitive": number(values, "case_sensitive_accuracy"),
    }


def add_interval(net: Net, limit: Any) -> None:
    """The 95 % interval of the validation accuracy, where the number of words is known.

    Trials of earlier versions did not record it; the recipe's ``validation_limit`` then stands for it.
    """
    if net["words"] is None and isinstance(limit, int):
        net["words"] = float(limit)
    net["low"] = net["high"] = None
    if net["words"] and net["accuracy"] is not None and metric_of(net).of_words:
        net["low"], net["high"] = wilson(round(net["accuracy"] * net["words"]), int(net["words"]))


def epoch_data(line: Figures) -> Epoch:
    """What learning curves are drawn from."""
    return {
        "images": number(line, "images_seen"),
        "seconds": number(line, "seconds"),
        "accuracy": number(line, "default"),
        "loss": number(line, "loss"),
        "training_loss": number(line, "training_loss"),
    }


def best_of(trial: TrialHistory) -> Figures:
    """The final report; for a trial without one, its best epoch so far."""
    if trial.metrics is not None:
        return trial.metrics
    lines = [line for line in trial.epochs if number(line, "default") is not None]
    if trial.status == FAILED or not lines:
        return {}
    return max(lines, key=merit)


def architecture_of(
    text: str | None, space: Mapping[str, Any] | None
) -> tuple[Architecture, SearchSpace] | None:
    """The architecture as an object with its space; None where either is unknown."""
    if text is None or space is None:
        return None
    try:
        known = SearchSpace(**space)
        return Architecture.parse(text, known), known
    except (InputError, TypeError, ValueError):
        return None
