"""Latency tables: which blocks a space has, and what is said of a file that is no good."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.search_spaces.counting import Price
from autostr_nni.search_spaces.latency import (
    FORMAT,
    VERSION,
    LatencyTable,
    backbone_blocks,
    blocks_of,
    check_covers,
    read_latency_table,
    unfinished,
)
from autostr_nni.search_spaces.operations import DEFAULT_OPERATION
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError

SPACE = SearchSpace(
    height=8,
    width=16,
    out_width=4,
    stem_width=8,
    stage_widths=(8, 16),
    stage_layers=(2, 2),
    operations=("k3e1", "k5e3", "skip"),
)


def content(**changes: Any) -> dict[str, Any]:
    """What a measured table of the space holds."""
    return {
        "format": FORMAT,
        "version": VERSION,
        "device": "torch-cpu, 1 thread, batch 1, float32",
        "batch": 1,
        "constant_ns": 500,
        "stem": {"channels": 8, "height": 8, "width": 16, "ns": 70},
        "blocks": [[*block, 10 * place] for place, block in enumerate(blocks_of(SPACE), 1)],
        "check": {"median_error": 0.03},
        **changes,
    }


def written(folder: Path, **changes: Any) -> Path:
    file = folder / "cpu.json"
    file.write_text(json.dumps(content(**changes)))
    return file


def test_the_blocks_are_those_of_all_backbones() -> None:
    met = {block for place in range(SPACE.size()) for block in backbone_blocks(SPACE.at(place), SPACE)}
    found = blocks_of(SPACE)
    assert len(set(found)) == len(found)
    assert {block for block in found if block[0] != DEFAULT_OPERATION} == met
    places = {block[1:] for block in met}
    assert {block[1:] for block in found if block[0] == DEFAULT_OPERATION} == places


def test_the_default_operation_of_a_space_that_has_it_is_there_once() -> None:
    space = dataclasses.replace(SPACE, operations=("res3", "k3e1"))
    assert sorted(blocks_of(space)) == sorted(set(blocks_of(space)))
    assert {block[0] for block in blocks_of(space)} == {"res3", "k3e1"}


def test_a_table_is_read_and_adds_up(tmp_path: Path) -> None:
    table = read_latency_table(written(tmp_path))
    assert table.device == "torch-cpu, 1 thread, batch 1, float32" and table.batch == 1
    blocks = blocks_of(SPACE)
    assert [table.ns(*block) for block in blocks] == [10 * place for place in range(1, len(blocks) + 1)]
    check_covers(table, SPACE, "recipe.yml: search.cost.table")
    net = SPACE.at(5)
    in_tens = [round((blocks.index(block) + 1) / 10) * 100 for block in backbone_blocks(net, SPACE)]
    assert Price("latency", table).of(net, SPACE) == 500 + 70 + sum(in_tens)  # in steps of 100 ns


def test_a_block_that_was_not_measured(tmp_path: Path) -> None:
    table = read_latency_table(written(tmp_path))
    with pytest.raises(
        InputError, match=r"cpu.json: has no k7e3 from 8 to 8 channels on 8x16 with stride \(2, 1\)"
    ):
        table.ns("k7e3", 8, 8, 8, 16, (2, 1))


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"format": "something else"}, "is no latency table"),
        (
            {"version": VERSION + 1},
            f"is a latency table of version {VERSION + 1}, and this autostr reads {VERSION}",
        ),
        ({"version": None}, "is a latency table of version None"),
        ({"check": {"median_error": 0.16}}, "with a median error of 16%, above 15%, and is not used"),
        ({"check": {"median_error": float("nan")}}, "median error of nan%"),
        ({"check": {}}, "is damaged"),
        ({"check": None}, "is damaged"),
        ({"blocks": []}, "is damaged"),
        ({"blocks": [["k3e1", 8, 8, 8, 16, [1, 1], 1.5]]}, "is damaged"),
        ({"blocks": [["k3e1", 8, 8, 8, 16, [1, 1], -1]]}, "is damaged"),
        ({"blocks": [["k3e1", 8, 8, 8, 16, [1, 1], 0]]}, "is damaged"),
        ({"blocks": [["skip", 8, 8, 8, 16, [1, 1], -1]]}, "is damaged"),
        ({"blocks": [["k3e1", 8, 8, 8, 16, [1, 1]]]}, "is damaged"),
        ({"blocks": [[3, 8, 8, 8, 16, [1, 1], 5]]}, "is damaged"),
        ({"blocks": 7}, "is damaged"),
        ({"batch": 0}, "is damaged"),
        ({"stem": {"channels": 8, "height": 8, "width": 16, "ns": -1}}, "is damaged"),
        ({"stem": {"channels": 8, "height": 8, "width": 16}}, "is damaged"),
        ({"constant_ns": "500"}, "is damaged"),
        ({"constant_ns": True}, "is damaged"),
        ({"device": None}, "is damaged"),
    ],
)
def test_a_file_that_is_no_good(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    file = written(tmp_path, **changes)
    with pytest.raises(InputError) as error:
        read_latency_table(file)
    assert str(error.value).startswith(f"{file}: {told}") or told in str(error.value)
    assert str(error.value).startswith(f"{file}: ") and "\n" not in str(error.value)


def test_files_that_are_no_table_at_all(tmp_path: Path) -> None:
    file = tmp_path / "cpu.json"
    with pytest.raises(InputError, match="there is no such file"):
        read_latency_table(file)
    unfinished(file).write_text("")
    with pytest.raises(InputError, match="is not measured to its end; go on with the same"):
        read_latency_table(file)
    whole = written(tmp_path).read_text()
    for text, told in (
        (whole[: len(whole) // 2], "is cut or damaged"),
        ("", "is cut or damaged"),
        ("[1, 2]", "is no latency table"),
        ("[" * 100_000, "is cut or damaged"),
    ):
        file.write_text(text)
        with pytest.raises(InputError, match=told):
            read_latency_table(file)
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not UTF-8"):
        read_latency_table(file)
    with pytest.raises(InputError, match="is a folder"):
        read_latency_table(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"operations": ("k3e1", "k7e3")}, "has no k7e3 from 8 to 8 channels"),
        ({"stage_widths": (8, 24)}, "to 24 channels"),
        ({"width": 32, "out_width": 8}, "is of a stem of 8x8x16, and the space's is 8x8x32"),
        ({"stem_width": 16}, "is of a stem of 8x8x16, and the space's is 16x8x16"),
        ({"projection_skip": True}, "has no skip from"),
    ],
)
def test_a_space_that_has_changed_since(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    table = read_latency_table(written(tmp_path))
    with pytest.raises(InputError) as error:
        check_covers(table, dataclasses.replace(SPACE, **changes), "recipe.yml: search.cost.table")
    said = str(error.value)
    assert told in said and said.startswith("recipe.yml: search.cost.table: ") and "\n" not in said
    assert "the space has changed since" in said and "autostr measure" in said


def test_a_smaller_space_is_covered(tmp_path: Path) -> None:
    smaller = dataclasses.replace(SPACE, operations=("k3e1",))
    check_covers(read_latency_table(written(tmp_path)), smaller, "here")


def test_a_table_made_by_hand_needs_little() -> None:
    table = LatencyTable("here", 1, 2, {("k3e1", 8, 8, 8, 16, (1, 1)): 3})
    assert table.ns("k3e1", 8, 8, 8, 16, (1, 1)) == 3
