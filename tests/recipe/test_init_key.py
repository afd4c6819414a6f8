"""`training.init` and `search.init`: a checkpoint's path, and what is said where it names none."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from autostr_nni.recipe import Recipe, load_recipe
from autostr_nni.system.errors import InputError

DATA = "data: {train: [a], validation: [b]}\n"


def recipe(folder: Path, text: str) -> Recipe:
    (folder / "recipe.yml").write_text(DATA + text, encoding="utf-8")
    return load_recipe(folder / "recipe.yml")


def test_a_path_starts_at_the_recipe(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "net.ckpt", "w") as archive:
        archive.writestr("net", "weights")
    found = recipe(tmp_path, "training: {init: net.ckpt}")
    assert found.training.init.file == tmp_path / "net.ckpt" and found.search.init.file is None
    assert len(found.training.init.sha256 or "") == 16
    kept = found.model_dump(mode="json")
    assert kept["training"]["init"].keys() == {"file", "sha256"} and kept["search"]["init"] is None


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("none.ckpt", "/none.ckpt: there is no such file"),
        ("folder", "/folder: is a folder; name the file in it"),
        ("cut.ckpt", "/cut.ckpt: is no checkpoint, or was cut short; give the best.ckpt of a trained net"),
        (
            "recipe.yml",
            "/recipe.yml: is no checkpoint, or was cut short; give the best.ckpt of a trained net",
        ),
        ("3", "training.init must be the path of a trained net's best.ckpt, not 3"),
        ("[a]", "training.init must be the path of a trained net's best.ckpt, not ['a']"),
        ("''", "training.init must be a path, not an empty text"),
        ("{files: a}", "training.init.files is no key of a recipe; nearest is training.init.file"),
    ],
)
def test_what_is_no_checkpoint(tmp_path: Path, value: str, told: str) -> None:
    (tmp_path / "folder").mkdir()
    with zipfile.ZipFile(tmp_path / "whole.ckpt", "w") as archive:
        archive.writestr("net", "weights" * 100)
    (tmp_path / "cut.ckpt").write_bytes((tmp_path / "whole.ckpt").read_bytes()[:-30])
    with pytest.raises(InputError) as error:
        recipe(tmp_path, f"training: {{init: {value}}}")
    assert told in str(error.value) and "recipe.yml:2: training.init" in str(error.value)
    assert str(error.value).count(";") <= 1
