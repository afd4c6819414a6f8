"""Which settings can change what a search finds: the one rule of reports, of going on, and of digests."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

#: Dotted keys, each with all below it, that move speed, memory or what is reported, and never a choice.
WITHOUT_WEIGHT = (
    "data.workers",
    "data.test",
    "data.target",
    "training.init.file",  # its content counts
    "training.device",
    "training.devices",
    "training.compile",
    "training.threads",
    "training.tensorboard",
    "training.checkpoint_minutes",
    "search.init.file",
    "search.operators.threads",
    "search.operators.devices",
    "search.one_shot.threads",
    "evaluation.batch_size",
    "evaluation.learnt_above",
)
#: A search that goes on may be given more of it: the first architectures stay as they were.
MAY_GROW = ("search.random.count",)
NOT_SET = "not set"


class Change(NamedTuple):
    """A setting of two recipes that is not the same in both."""

    key: str
    now: Any
    then: Any


def has_weight(key: str) -> bool:
    """Whether the setting of a dotted key can change what a search finds."""
    return not any(key == free or key.startswith(f"{free}.") for free in WITHOUT_WEIGHT)


def dotted(content: Any, prefix: str = "") -> dict[str, Any]:
    """Nested mappings by dotted key; lists stay whole."""
    if not isinstance(content, Mapping):
        return {prefix: content}
    found: dict[str, Any] = {}
    for key, value in content.items():
        found.update(dotted(value, f"{prefix}.{key}" if prefix else str(key)))
    return found


def with_weight(recipe: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """A recipe's plain values without the settings that cannot change what a search finds."""
    kept = {}
    for name, value in recipe.items():
        key = f"{prefix}{name}"
        if has_weight(key):
            kept[name] = with_weight(value, f"{key}.") if isinstance(value, Mapping) else value
    return kept


def changes(
    now: Mapping[str, Any], then: Mapping[str, Any], free: Collection[str] = MAY_GROW
) -> list[Change]:
    """Where two recipes' plain values differ in what can change a result; ``free`` keys may differ."""
    first, second = dotted(with_weight(now)), dotted(with_weight(then))
    first, second = _without_headings(first, second), _without_headings(second, first)
    return [
        Change(key, first.get(key, NOT_SET), second.get(key, NOT_SET))
        for key in sorted({*first, *second})
        if key not in free and first.get(key, NOT_SET) != second.get(key, NOT_SET)
    ]


def _without_headings(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """Dotted keys without those that are null where ``other`` has keys below: these tell what differs."""
    below = {key.rpartition(".")[0] for key in other}
    return {key: value for key, value in one.items() if value is not None or key not in below}
