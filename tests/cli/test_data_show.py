"""`autostr data show`: a sheet of what training shows, the same each time."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from autostr_nni.cli.main import main


def test_a_sheet(tmp_path: Path, shade_recipe, shades: Path, capsys: pytest.CaptureFixture[str]) -> None:
    recipe = Path(shade_recipe(tmp_path))
    plain, strong, again = (tmp_path / f"{name}.png" for name in ("plain", "strong", "again"))
    arguments = ["data", "show", str(shades / "mixed"), "--recipe"]
    assert main([*arguments, str(recipe), "--out", str(plain)]) == 0
    assert f"2 words, training.augment: none: {plain}" in capsys.readouterr().out
    text = recipe.read_text(encoding="utf-8").replace("training:", "training:\n  augment: strong", 1)
    other = tmp_path / "strong.yml"
    other.write_text(text, encoding="utf-8")
    for out in (strong, again):
        assert main([*arguments, str(other), "--out", str(out), "--count", "5"]) == 0
    assert strong.read_bytes() == again.read_bytes() != plain.read_bytes()
    size = Image.open(strong).size
    assert size == Image.open(plain).size and size[0] > 4 * 200


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--out", "x.gif"], "a picture's name ends in"),
        (["--out", "x.png", "--count", "0"], "--count: 0 is not between 1 and 200"),
    ],
)
def test_wrong_options(
    tmp_path: Path, shade_recipe, shades: Path, capsys, monkeypatch, options, told
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = shade_recipe(tmp_path)
    assert main(["data", "show", str(shades / "train"), "--recipe", recipe, *options]) == 2
    assert told in capsys.readouterr().err
