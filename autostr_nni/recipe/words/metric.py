"""The figure by which epochs, nets and searches are chosen (`evaluation.metric`), and where it stands.

All are the larger the better, and over what the charset's own rule compares.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

MetricName = Literal["word_accuracy", "case_sensitive", "one_minus_ned", "cer"]


class Metric(NamedTuple):
    """A figure of validation and test words."""

    name: MetricName
    label: str  # for people
    key: str  # of a test set's figures
    of_words: bool  # a share of words, which have an interval

    def of_set(self, figures: Mapping[str, Any]) -> Any:
        """Its value in the figures of a set, the larger the better; None where it is not known."""
        value = figures.get(self.key)
        return 1 - value if self.name == "cer" and isinstance(value, int | float) else value


METRICS: dict[str, Metric] = {
    metric.name: metric
    for metric in (
        Metric("word_accuracy", "word accuracy", "word_accuracy", True),
        Metric("case_sensitive", "case-sensitive accuracy", "case_sensitive_accuracy", True),
        Metric("one_minus_ned", "1-NED", "one_minus_ned", False),
        Metric("cer", "1-CER", "cer", False),
    )
}
WORD_ACCURACY = METRICS["word_accuracy"]


def metric_of(figures: Mapping[str, Any] | None) -> Metric:
    """By which a report, a row or a net was chosen; those that do not say so, by word accuracy."""
    return METRICS.get(str((figures or {}).get("metric")), WORD_ACCURACY)


def meaningless(name: str, charset: str, characters: str) -> str | None:
    """Why a metric says nothing of words of a charset, in words to follow `evaluation.metric`; else None."""
    if name != "case_sensitive" or any(c != c.lower() and c.lower() in characters for c in characters):
        return None
    return (
        f"case_sensitive says no more than word_accuracy, as no letter of data.charset {charset} has both "
        "cases; write word_accuracy, or a charset that tells them apart, such as alphanumeric"
    )
