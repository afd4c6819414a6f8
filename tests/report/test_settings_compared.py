"""Settings side by side: by name, to the difference itself, and not where an older file only lacks a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autostr_nni.recipe import recipe_from
from autostr_nni.report.comparison import settings
from autostr_nni.report.history import SearchHistory
from autostr_nni.report.page import pieces, value


def kept(folder: str, synth: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """A recipe as a search in `folder` keeps it."""
    content = {"data": {"train": ["words"], "validation": ["words"], "synth": synth}, **extra}
    return recipe_from(content, Path(folder)).model_dump(mode="json")


def differences(*recipes: dict[str, Any]) -> dict[str, list[Any]]:
    histories = [SearchHistory("", "", "", "", Path(), "", [], recipe=recipe) for recipe in recipes]
    rows = settings(histories, [f"s{place}" for place in range(len(recipes))])["differences"]
    return {row["key"]: list(row["values"].values()) for row in rows}


def test_rendered_sets_are_compared_key_by_key() -> None:
    long, short = {"count": 9, "digits": [1, 3]}, {"count": 9, "digits": [2, 3]}
    assert differences(kept("/a", {"words/train": long}), kept("/a", {"words/train": short})) == {
        "data.synth.train.digits": [[1, 3], [2, 3]]
    }
    # Copied elsewhere the sets are others, and are rendered alike.
    elsewhere = differences(kept("/a", {"words/train": long}), kept("/b", {"words/train": long}))
    assert set(elsewhere) == {"data.train", "data.validation"}


def test_a_set_that_only_one_renders_is_one_row() -> None:
    found = differences(kept("/a", {"train": {"count": 9}}), kept("/a", {}))
    assert set(found) == {"data.synth.train"}
    given, absent = found["data.synth.train"]
    assert absent == "not set" and value(given).startswith("count: 9, source: words")
    assert "null" not in value(given)


def test_sets_of_the_same_name_keep_their_folders() -> None:
    one, two = ({"a/x": {"count": 1}, "b/x": {"count": count}} for count in (2, 3))
    assert differences(kept("/f", one), kept("/f", two)) == {"data.synth./f/b/x.count": [2, 3]}


def test_an_older_recipe_that_lacks_keys_differs_in_nothing() -> None:
    new = kept("/a", {})
    old = {**new, "training": {key: item for key, item in new["training"].items() if key != "gamma"}}
    assert differences(old, new) == {}
    foreign = {**new, "training": {**new["training"], "gone": 1}}  # of another version: compared as it is
    assert differences(foreign, new) == {"training.gone": [1, "not set"]}


def test_long_keys_break_after_dots_and_underscores() -> None:
    assert [piece for piece in pieces("data.max_length") if piece] == ["data.", "max_", "length"]
