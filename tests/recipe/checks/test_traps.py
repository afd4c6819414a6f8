"""Sizes that contradict one another are refused before a search, and stay readable in what has begun."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.recipe import load_recipe
from autostr_nni.recipe.checks.traps import check_traps
from autostr_nni.system.errors import InputError

BASE = "data: {train: [words], validation: [words]%s}\nmodel: {%s}\n"


def recipe(folder: Path, data: str, model: str) -> Any:
    path = folder / "recipe.yml"
    path.write_text(BASE % (data, model))
    return load_recipe(path)


@pytest.mark.parametrize(
    ("data", "model", "told"),
    [
        (
            "",
            "image: [32, 320]",
            "model.rectifier.image is [64, 256], from which [32, 320] of model.image would be",
        ),
        ("", "image: [32, 320]", "write rectifier: {image: [64, 320]} or larger, or enabled: false"),
        (
            ", max_length: 100",
            "image: [32, 320], rectifier: {enabled: false}",
            "max_length is 100, but model.image",
        ),
        (
            ", max_length: 81",
            "image: [32, 320], rectifier: {image: [64, 320]}",
            "write max_length: 80 or less, or an",
        ),
        ("", "image: [32, 64]", "data.max_length is 25, but model.image [32, 64] gives the decoder 16 steps"),
    ],
)
def test_refused(tmp_path: Path, data: str, model: str, told: str) -> None:
    with pytest.raises(InputError) as error:
        check_traps(recipe(tmp_path, data, model))
    assert told in str(error.value) and str(error.value).startswith(str(tmp_path / "recipe.yml"))


@pytest.mark.parametrize(
    ("data", "model"),
    [
        ("", ""),
        ("", "image: [32, 256]"),
        (", max_length: 80", "image: [32, 320], rectifier: {image: [64, 640]}"),
        (", max_length: 16", "image: [32, 64], rectifier: {enabled: false}"),
    ],
)
def test_what_fits(tmp_path: Path, data: str, model: str) -> None:
    check_traps(recipe(tmp_path, data, model))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (
            {"data": {"max_length": 9}},
            "data.max_length is 9, but model.image [32, 32] gives the decoder 8 steps",
        ),
        ({"training": {"device": "cuda:7"}}, "training.device: this machine has no cuda:7"),
    ],
)
@pytest.mark.parametrize("how", [[], ["--in-process"]])
def test_a_search_does_not_start(
    tiny_search: Callable[..., Path],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    changes: dict[str, Any],
    told: str,
    how: list[str],
) -> None:
    monkeypatch.setattr(
        "autostr_nni.cli.make_ready.prepare_data", lambda *_: pytest.fail("words were rendered")
    )
    assert main(["search", str(tiny_search(tmp_path, **changes)), *how]) == 2
    error = capsys.readouterr().err
    assert told in error and str(tmp_path / "recipe.yml") in error


def test_a_set_named_twice(
    tiny_search: Callable[..., Path], tiny_words: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    both = [str(tiny_words / "train"), str(tiny_words / "validation" / ".." / "train")]
    assert main(["search", str(tiny_search(tmp_path, data={"train": both}))]) == 2
    assert "data.train: the set" in capsys.readouterr().err


def test_words_that_train_and_measure_are_told(
    tiny_search: Callable[..., Path], tiny_words: Path, tmp_path: Path
) -> None:
    from autostr_nni.data.sets.prepare import prepare_data

    tiny_search(tmp_path, data={"validation": [str(tiny_words / "train")]})
    lines: list[str] = []
    prepare_data(load_recipe(tmp_path / "recipe.yml"), lines.append)
    assert lines == [
        f"warning: {tiny_words / 'train'} is in data.train and in data.validation: its figures measure little"
    ]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"data": {"charset": "xyz"}}, "data.train: no usable word in"),
        ({"data": {"charset": "xyz"}}, ": 64 no known character; check data.charset and data.max_length"),
        (
            {"training": {"short_words": {"max_length": 1, "epochs": 1}}, "data": {"train": ["long"]}},
            ": 2 too long; check data.charset and training.short_words.max_length",
        ),
        (
            {"search": {"path": {"max_length": 1}}, "data": {"train": ["long"]}},
            ": 2 too long; check data.charset and search.path.max_length",
        ),
        (
            {"search": {"operators": {"max_length": 1}}, "data": {"validation": ["long"]}},
            "data.validation: no usable word in",
        ),
        ({"data": {"validation": ["letters"]}}, "data.validation: no usable word in"),
        ({"data": {"test": {"signs": "letters"}}}, "data.test: signs: no usable word in"),
    ],
)
def test_sets_without_a_usable_word(
    tiny_search: Callable[..., Path], tmp_path: Path, changes: dict[str, Any], told: str
) -> None:
    """Told before the search: a test set is else read at its very end."""
    from autostr_nni.data.sets.lmdb_write import write_lmdb
    from autostr_nni.data.sets.prepare import prepare_data

    tiny_search(tmp_path, **changes)
    write_lmdb(tmp_path / "long", [(b"-", "10"), (b"-", "11")])
    write_lmdb(tmp_path / "letters", [(b"-", "ab"), (b"-", "cd")])
    with pytest.raises(InputError) as error:
        prepare_data(load_recipe(tmp_path / "recipe.yml"), [].append)
    assert told in str(error.value)
