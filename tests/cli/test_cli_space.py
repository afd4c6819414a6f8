"""`autostr space` and `autostr describe`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.cli.main import main
from autostr_nni.cli.nets import resolve
from autostr_nni.cli.table import table
from autostr_nni.recipe import load_recipe

SMALL = """
data: {train: [a], validation: [b]}
model: {image: [32, 64], stem_width: 8, stage_widths: [8, 16, 16, 24, 24], stage_layers: [1, 1, 1, 1, 1]}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "recipe.yml"
    path.write_text(SMALL)
    return path


def output(capsys: pytest.CaptureFixture[str], *argv: str) -> str:
    assert main(argv) == 0
    return capsys.readouterr().out


def test_space_of_the_paper(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(output(capsys, "space", "--json"))
    assert facts["paths"] == 30030 and facts["typical_paths"] == 10 and facts["operations"] == 7
    assert facts["architectures_with_projection_skip"] == 30030 * 7**15
    assert facts["architectures"] == facts["architectures_without_projection_skip"] < 30030 * 7**15
    text = output(capsys, "space")
    assert "30 030" in text and "AABBB ABABB" in text and "1.426e+17" in text
    assert max(map(len, text.splitlines())) <= 110


def test_space_of_a_recipe(capsys: pytest.CaptureFixture[str], recipe: Path) -> None:
    facts = json.loads(output(capsys, "space", "--recipe", str(recipe), "--json"))
    assert facts["image"] == [32, 64] and facts["sequence"] == {"length": 16, "channels": 24}
    assert facts["layers"] == 5 and facts["paths"] == facts["typical_paths"] == 10


def test_description_of_the_authors_net(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(output(capsys, "describe", "autostr-iiit5k", "--json"))
    assert (facts["conv_macs"], facts["backbone_params"]) == (246_739_200, 2_364_128)
    assert (facts["path"], facts["full_path"]) == ("ABABB", "A..B..A..B..B..")
    assert facts["sequence"] == {"length": 25, "channels": 512}
    blocks = facts["blocks"]
    assert len(blocks) == 16 and sum(block["macs"] for block in blocks) == facts["conv_macs"]
    assert blocks[0]["in_shape"] == [3, 32, 100] and blocks[1]["stride"] == [2, 2]
    assert all(a["out_shape"] == b["in_shape"] for a, b in zip(blocks, blocks[1:], strict=False))


def test_description_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    lines = output(capsys, "describe", "autostr-iiit5k").splitlines()
    assert "246.739 M" in lines[4] and "2 364 128" in lines[5]
    rows = lines[7:]
    assert rows[0].split()[:3] == ["block", "operation", "in"] and len(rows) == 17
    assert rows[2].split()[:5] == ["layer", "1", "k5e6", "32x32x100", "32x16x50"]
    assert len({row.index("x", 30) > 0 for row in rows[1:]}) == 1
    assert not any(line.endswith(" ") for line in lines)


def test_aster_brings_its_own_stages(capsys: pytest.CaptureFixture[str]) -> None:
    facts = json.loads(output(capsys, "describe", "aster", "--json"))
    assert len(facts["blocks"]) == 23 and {block["operation"] for block in facts["blocks"][1:]} == {"res3"}


def test_text_and_file_of_a_recipes_space(
    capsys: pytest.CaptureFixture[str], recipe: Path, tmp_path: Path
) -> None:
    text = "ABABB:k3e1,k5e3,k3e6,k3e1,skip"
    assert main(["describe", text, "--recipe", str(recipe)]) == 2  # the last layer changes the shape
    assert "layer 5 changes the shape" in capsys.readouterr().err
    text = text.replace("skip", "k5e6")
    told: dict[str, Any] = json.loads(output(capsys, "describe", text, "--recipe", str(recipe), "--json"))
    architecture, space = resolve(text, load_recipe(recipe))
    assert space == load_recipe(recipe).space()
    file = tmp_path / "architecture.json"
    file.write_text(architecture.to_json(space))
    # The file brings its space along: no recipe is needed.
    assert json.loads(output(capsys, "describe", str(file), "--json")) == told


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (None, "no such file"),
        ("{", "no usable space"),
        ("[]", "no usable space"),
        ('{"space": {"x": 1}}', "no usable"),
    ],
)
def test_wrong_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: str | None, part: str
) -> None:
    file = tmp_path / "architecture.json"
    if content is not None:
        file.write_text(content)
    assert main(["describe", str(file)]) == 2
    error = capsys.readouterr().err
    assert part in error and "architecture.json" in error and error.count("\n") == 1


@pytest.mark.parametrize("text", ["nothing", "ABABB:k3e1", "AAAAA:k3e1", "ABABB:", "aster:k3e1", ""])
def test_wrong_architecture(text: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["describe", text]) == 2
    assert capsys.readouterr().err.startswith("autostr: error: ")


def test_wrong_recipe(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["space", "--recipe", "none.yml"]) == 2
    assert "none.yml: there is no such file" in capsys.readouterr().err


def test_table() -> None:
    assert table([("a", "bb"), ("ccc", "d")], "<>") == "a    bb\nccc   d"
