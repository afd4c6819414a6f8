"""Settings side by side: by name, to the difference itself, and not where an older file only lacks a key."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from autostr_nni.data.sets.lmdb_write import write_lmdb
from autostr_nni.recipe import recipe_from
from autostr_nni.report.page import pieces, value
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.report.settings import settings


def kept(folder: str, synth: dict[str, Any], **extra: Any) -> dict[str, Any]:
    """A recipe as a search in `folder` keeps it."""
    content = {"data": {"train": ["words"], "validation": ["words"], "synth": synth}, **extra}
    return recipe_from(content, Path(folder)).model_dump(mode="json")


def rows(*recipes: dict[str, Any]) -> list[dict[str, Any]]:
    histories = [SearchHistory("", "", "", "", Path(), "", [], recipe=recipe) for recipe in recipes]
    found = settings(histories, [f"s{place}" for place in range(len(recipes))])["differences"]
    return list(found)


def differences(*recipes: dict[str, Any]) -> dict[str, list[Any]]:
    return {row["key"]: list(row["values"].values()) for row in rows(*recipes)}


def weighty(*recipes: dict[str, Any]) -> list[str]:
    """What is told as different settings."""
    return [row["key"] for row in rows(*recipes) if row["weight"]]


def test_rendered_sets_are_compared_key_by_key() -> None:
    long, short = ({"count": 9, "source": "digits", "digits": [n, 3]} for n in (1, 2))
    assert differences(kept("/a", {"words/train": long}), kept("/a", {"words/train": short})) == {
        "data.synth.train.digits": [[1, 3], [2, 3]]
    }
    assert weighty(kept("/a", {"words": long}), kept("/a", {"words": short})) == ["data.synth.words.digits"]
    # Elsewhere, and rendered alike: the folders are shown, and are no other words.
    alike = kept("/a", {"words": long}), kept("/b", {"words": long})
    assert set(differences(*alike)) == {"data.train", "data.validation"} and weighty(*alike) == []
    other_seed = kept("/b", {"words": {**long, "seed": 7}})
    assert weighty(alike[0], other_seed) == ["data.synth.words.seed", "data.train", "data.validation"]


def test_the_same_words_at_another_folder_are_the_same(tmp_path: Path) -> None:
    words = [(b"image %d" % number, f"word{number}") for number in range(1200)]
    for folder, content in (("a", words), ("b", words), ("other", [*words[:-1], (b"image", "word1199")])):
        write_lmdb(tmp_path / folder / "words", content)
    mine, copied, other, gone = (kept(str(tmp_path / name), {}) for name in ("a", "b", "other", "gone"))
    assert set(differences(mine, copied)) == {"data.train", "data.validation"} and not weighty(mine, copied)
    assert weighty(mine, copied, other) == weighty(mine, other) == ["data.train", "data.validation"]
    assert weighty(mine, gone) == ["data.train", "data.validation"]  # what is not there may be anything
    # Rendered there or packed: what the sets hold decides.
    rendered = {**copied, "data": {**copied["data"], "synth": {str(tmp_path / "b/words"): {"count": 1200}}}}
    assert "data.synth.words" in differences(mine, rendered) and not weighty(mine, rendered)
    twice = {**mine, "data": {**mine["data"], "train": mine["data"]["train"] * 2}}
    assert weighty(twice, copied) == ["data.train"]


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
