"""`search.cost`: what it stands for, what it is kept as, and what is refused."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from autostr_nni.recipe import Recipe, load_recipe, recipe_from
from autostr_nni.recipe.load import check_unchanged
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.counting import MACS
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError
from tests.made_table import content_of, made_table, write_table

MODEL = {"image": [32, 32], "stem_width": 4, "stage_widths": [4, 4, 4, 4, 4], "stage_layers": [2, 1, 1, 1, 1]}
DATA = {"train": ["a"], "validation": ["b"]}


def content(**search: Any) -> dict[str, Any]:
    return {"data": DATA, "model": MODEL, "search": search}


SPACE = recipe_from(content(), Path("/")).space()
TABLE = made_table(SPACE)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with a table."""
    write_table(tmp_path / "cpu.json", TABLE)
    return tmp_path


def by_latency(folder: Path, budget: float = 2.0, table: str = "cpu.json", **search: Any) -> Recipe:
    cost = {"kind": "latency", "table": table, "budget": budget}
    return recipe_from(content(cost=cost, **search), folder)


def test_without_it_macs_are_counted_as_ever() -> None:
    recipe = recipe_from(content(operators={"budget_m": 3.5}), Path("/"))
    assert recipe.price == MACS and recipe.search.operators.budget == 3_500_000
    assert recipe.search.operators.g_m == 450
    same = recipe_from(content(cost={"budget": 3.5}), Path("/"))
    assert same.search.operators == recipe.search.operators and same.price == MACS


def test_a_budget_stands_for_budget_m_and_g(folder: Path) -> None:
    operators = by_latency(folder).search.operators
    assert (operators.budget, operators.g_m) == (2_000_000, 2.0)
    assert by_latency(folder, operators={"g_m": 5.0}).search.operators.g_m == 5.0
    weights = recipe_from(content(cost={"kind": "parameters", "budget": 0.05}), folder)
    assert weights.search.operators.budget == 50_000 and weights.price.unit == "M parameters"


def test_a_recipe_keeps_the_figures_of_its_table(folder: Path) -> None:
    """It stays when the file is moved or changed; and goes on as the same search when it is the same file."""
    recipe = by_latency(folder)
    kept = json.loads(json.dumps(recipe.model_dump(mode="json")))
    again = recipe_from(kept, Path("/elsewhere"))
    assert again.model_dump() == recipe.model_dump() and again.digest() == recipe.digest()
    assert again.price.latency is not None and again.price.latency.blocks == TABLE.blocks
    net = SPACE.sample(random.Random(0))
    assert again.price.of(net, SPACE) == recipe.price.of(net, SPACE)
    (folder / "cpu.json").rename(folder / "other.json")
    check_unchanged(by_latency(folder, table="other.json"), kept, "", "it", "stop")


def test_another_table_is_another_search(folder: Path) -> None:
    recipe = by_latency(folder)
    write_table(folder / "cpu.json", made_table(SPACE, seed=1))
    other = by_latency(folder)
    assert other.digest() != recipe.digest()
    with pytest.raises(
        InputError, match=r"^r: search\.cost\.table is (.*) and was (?!\1).* when it began; put it back"
    ):
        check_unchanged(other, recipe.model_dump(mode="json"), "r: ", "it", "stop")


def test_what_is_drawn_is_within_it(folder: Path) -> None:
    recipe = by_latency(folder, random={"count": 30, "min_m": 1.0})
    trials = build("random", recipe).trials
    costs = [recipe.price.of(Architecture.from_parameters(t.parameters, SPACE), SPACE) for t in trials]
    assert min(costs) >= 1_000_000 and 1_500_000 < max(costs) <= 2_000_000


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "kind": ({"kind": "flops"}, r"search\.cost\.kind must be 'macs', 'parameters' or 'latency', not 'flops'"),
    "no table": (
        {"kind": "latency", "budget": 2},
        r"search\.cost\.table: is missing; with kind: latency name",
    ),
    "a table of no use": (
        {"table": "cpu.json"},
        r"search\.cost\.table: goes with kind: latency, not with macs",
    ),
    "no budget": (
        {"kind": "latency", "table": "cpu.json"},
        r"search\.cost\.budget: is missing; with kind: latency write how many ms",
    ),
    "negative": ({"budget": -2}, r"search\.cost\.budget must be greater than 0, not -2"),
    "no net": (
        {"kind": "latency", "table": "cpu.json", "budget": 0.2},
        r"search\.cost\.budget: 0\.2 ms is below the smallest net on the path AABBB, which has .* ms",
    ),
    "no net of so few parameters": (
        {"kind": "parameters", "budget": 1e-4},
        r"search\.cost\.budget: 0\.0001 M parameters is below the smallest net on the path AABBB",
    ),
    "no net of so few MACs": (
        {"budget": 1e-4},
        r"search\.cost\.budget: 0\.0001 M MACs is below the smallest net",
    ),
    "no such file": (
        {"kind": "latency", "table": "gpu.json", "budget": 2},
        r"search\.cost\.table file .*gpu\.json: there is no such file",
    ),
    "no path": ({"kind": "latency", "table": 3, "budget": 2}, r"search\.cost\.table must be a path, not 3"),
    "a list": (
        {"kind": "latency", "table": [1], "budget": 2},
        r"search\.cost\.table must be the path of a file",
    ),
    "a damaged list": (
        {"kind": "latency", "table": ["x", "cpu", "batch 1"], "budget": 2},
        r"search\.cost\.table holds a damaged table",
    ),
    "unknown key": (
        {"tabel": "cpu.json"},
        r"search\.cost\.tabel is no key of a recipe; nearest is search\.cost\.table",
    ),
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_is_refused(folder: Path, fault: str) -> None:
    cost, message = REFUSED[fault]
    (folder / "recipe.yml").write_text(yaml.safe_dump(content(cost=cost)))
    with pytest.raises(InputError, match=rf"^{folder / 'recipe.yml'}:\d+: {message}") as error:
        load_recipe(folder / "recipe.yml")
    assert "\n" not in str(error.value) and "; and " not in str(error.value)


def test_two_budgets_are_one_too_many(folder: Path) -> None:
    both = r"search\.operators\.budget_m: is 3, and search\.cost\.budget is 2 ms; leave one of them out"
    with pytest.raises(InputError, match=both):
        by_latency(folder, operators={"budget_m": 3.0})
    assert by_latency(folder, operators={"budget_m": 2.0}).search.operators.budget == 2_000_000
    with pytest.raises(
        InputError, match=r"search\.halving\.min_m: 3 ms is above search\.cost\.budget, which is 2"
    ):
        by_latency(folder, halving={"min_m": 3.0})


FILES = {
    "cut": (lambda text: text[: len(text) // 2], "is cut or damaged"),
    "foreign": (lambda text: '{"format": "something else"}', "is no latency table"),
    "no table": (lambda text: "[]", "is no latency table"),
    "newer": (lambda text: text.replace('"version": 1', '"version": 2'), "of version 2"),
    "inexact": (lambda text: text.replace("0.04", "0.4"), "median error of 40%"),
}


@pytest.mark.parametrize("fault", FILES)
def test_files_that_are_no_tables(folder: Path, fault: str) -> None:
    change, words = FILES[fault]
    text = (folder / "cpu.json").read_text()
    (folder / "cpu.json").write_text(change(text))
    with pytest.raises(InputError, match=rf"^recipe: search\.cost\.table file .*cpu\.json: .*{words}"):
        by_latency(folder)


def test_a_space_that_has_changed_since(folder: Path) -> None:
    cost = {"kind": "latency", "table": "cpu.json", "budget": 2.0}
    for changed in ({"stem_width": 6}, {"stage_widths": [4, 4, 4, 4, 5]}):
        with pytest.raises(InputError, match=r"^recipe: search\.cost\.table: .* the space has changed since"):
            recipe_from({**content(cost=cost), "model": {**MODEL, **changed}}, folder)
    with pytest.raises(InputError, match=r"^recipe: search\.cost\.table: .* has no k7e3"):
        recipe_from(content(cost=cost, operators={"operations": ["k3e1", "k7e3"]}), folder)
    fewer = content(cost=cost, operators={"operations": ["k3e1", "skip"]})
    assert recipe_from(fewer, folder).price.latency is not None  # what is measured may be more


def test_negative_figures_are_no_table(folder: Path) -> None:
    broken = content_of(TABLE)
    broken["blocks"][0][-1] = -5
    (folder / "cpu.json").write_text(json.dumps(broken))
    with pytest.raises(InputError, match=r"cpu\.json: is damaged"):
        by_latency(folder)


def test_a_space_is_known_before_its_table_is_measured(folder: Path) -> None:
    cost = {"kind": "latency", "table": "later.json", "budget": 0.001}
    (folder / "recipe.yml").write_text(yaml.safe_dump(content(cost=cost, halving={"min_m": 0.0005})))
    assert load_recipe(folder / "recipe.yml", counting=False).space() == SPACE
    with pytest.raises(InputError, match="there is no such file"):
        load_recipe(folder / "recipe.yml")


def test_the_recipe_of_the_docs(folder: Path) -> None:
    """The block of docs/latency.md, which is added to a recipe."""
    text = (Path(__file__).parents[2] / "docs" / "latency.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"<!-- latency recipe -->\n```yaml\n(.*?)```", text, re.S)
    recipe = recipe_from({**content(), **yaml.safe_load(block)}, folder)
    assert recipe.search.cost.kind == "latency" and recipe.price.latency is not None
    assert recipe.price.said(recipe.search.operators.budget) == "4 ms"
