"""What a reader must know before comparing searches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from autostr_nni.recipe.words.targets import target_of
from autostr_nni.report.reading.history import DONE, SearchHistory
from autostr_nni.report.records import Search, Settings, Space
from autostr_nni.report.seeds.groups import seed_of
from autostr_nni.report.settings import settings


def notes(searches: Sequence[Search], together: Sequence[Space], compared: Settings) -> list[str]:
    """What a reader must know before comparing, in sentences."""
    said = []
    if len(together) > len({search["target"] for search in searches}):
        parts = "; ".join(
            f"{group['name']}: {', '.join(_labels(searches, group['searches']))}" for group in together
        )
        said.append(
            f"These searches are not comparable: they are over different spaces ({parts}). "
            "Each space has its own figures."
        )
    weighty = [row["key"] for row in compared["differences"] if row["weight"]]
    if weighty:
        shown = ", ".join(weighty[:6]) + (f" and {len(weighty) - 6} more" if len(weighty) > 6 else "")
        said.append(f"The searches had different settings: {shown}. See the table of settings.")
    if compared["missing"] and len(searches) > 1:
        missing = ", ".join(_labels(searches, compared["missing"]))
        said.append(f"The recipe of {missing} is not known, so its settings could not be compared.")
    for group in together:
        said.extend(f"{told}." for told in group["comparison"]["left_out"] if group["comparison"]["pairs"])
    for search in searches:
        if search["best"] is not None and search["best"]["status"] != DONE:
            said.append(f"The best net of {search['label']} has not been trained to its end.")
        said.extend(f"{search['label']}: {told}." for told in search["verdict"].values() if told)
        if search["unread"]:
            lines = ", ".join(f"{count} of {trial}" for trial, count in search["unread"].items())
            said.append(f"Damaged lines of {search['label']}'s records were left out: {lines}.")
    return said


def only_within_seeds(compared: Settings, histories: Mapping[str, SearchHistory]) -> None:
    """Take the weight from settings that differ from seed to seed, or from target to target, alone: each
    comparison is within a seed, and what is told of two targets is that they are two."""
    seeds: dict[tuple[int | None, str | None], list[str]] = {}
    for key, history in histories.items():
        seeds.setdefault((seed_of(history), target_of(history.recipe)), []).append(key)
    weighty = {
        row["key"]
        for keys in seeds.values()
        for row in settings([histories[key] for key in keys], keys)["differences"]
        if row["weight"]
    }
    for row in compared["differences"]:
        row["weight"] = row["weight"] and row["key"] in weighty
    compared["differences"].sort(key=lambda row: (not row["weight"], row["key"]))


def _labels(searches: Sequence[Search], keys: Sequence[str]) -> list[str]:
    return [search["label"] for search in searches if search["key"] in keys]
