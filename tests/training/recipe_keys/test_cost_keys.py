"""`search.cost` in trials: what is drawn, found, regularised and told under a budget that is not of MACs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.recipe import Recipe
from autostr_nni.search_spaces.counting import UNITS, backbone_costs, total
from autostr_nni.system.json_text import read_lines
from autostr_nni.training.run_trial import run_proposal
from tests.made_table import made_table, write_table
from tests.training.recipe_keys.facts import architecture
from tests.training.recipe_keys.watch import Seen, watched, write_sets

BUDGETS = {"latency": 1.8, "parameters": 0.0012}
KEYS = {"latency": "latency_ms", "parameters": "params_m"}


SLOW = pytest.mark.slow("latency, in the same trials, stands for it")


@pytest.fixture(scope="module", params=["latency", pytest.param("parameters", marks=SLOW)])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def recipe(kind: str, tmp_path_factory: pytest.TempPathFactory, make_recipe: Callable[..., Recipe]) -> Recipe:
    folder = write_sets(tmp_path_factory.mktemp("words"))
    cost: dict[str, Any] = {"kind": kind, "budget": BUDGETS[kind]}
    if kind == "latency":
        cost["table"] = str(write_table(folder / "cpu.json", made_table(make_recipe().space())))
    return make_recipe(
        {
            "data.train": [str(folder / "train")],
            "data.validation": [str(folder / "validation")],
            "data.test": {},
            "search.cost": cost,
            "search.operators.arch_init": 2.0,  # so that the most probable net is over the budget
        }
    )


@pytest.fixture(scope="module")
def seen(recipe: Recipe, steps: Any, tmp_path_factory: pytest.TempPathFactory) -> Seen:
    return watched(recipe, steps["operators"], tmp_path_factory.mktemp("trial"))


def test_an_operator_search_counts_it(kind: str, recipe: Recipe, seen: Seen) -> None:
    price, budget = recipe.price, recipe.search.operators.budget
    path = seen.task.supernet.stride_path
    assert seen.task.arch.costs == [tuple(layer.values()) for layer in price.table(path, recipe.space())]
    assert seen.regularised == {(BUDGETS[kind] * 1e6, 0.6)}
    drawn = [seen.task.arch.total(step.drawn) for step in [*seen.weights, *seen.architecture]]
    assert 0.7 * budget < max(drawn) <= budget
    found = architecture(seen)
    assert price.of(found, recipe.space()) <= budget < seen.task.arch.total(seen.task.arch.most_probable())


def test_what_is_told_has_it(kind: str, recipe: Recipe, seen: Seen) -> None:
    key = KEYS[kind]
    cost = total(backbone_costs(architecture(seen), recipe.space()))
    metrics = seen.result["metrics"]
    assert (metrics["macs_m"], metrics["params_m"]) == (cost.macs / 1e6, cost.params / 1e6)
    for told in (*seen.lines, metrics):
        assert told[key] <= BUDGETS[kind] and told[f"expected_{key}"] > 0
        assert not {f"expected_{other}" for other in UNITS if other != key} & told.keys()
        assert ("latency_ms" in told) == (kind == "latency")
    assert metrics[key] == recipe.price.of(architecture(seen), recipe.space()) / 1e6


def test_supernet_and_ranking_keep_to_it(kind: str, recipe: Recipe, steps: Any, tmp_path: Path) -> None:
    trial = watched(recipe, steps["supernet"], tmp_path / "supernet")
    space, budget = recipe.space(), recipe.search.operators.budget
    nets = [trial.task.draws.at(step) for step in range(100)]
    assert max(recipe.price.of(net, space) for net in nets) <= budget
    run_proposal({"step": "ranking"}, recipe, tmp_path / "ranking", lambda metrics, final: None)
    lines = read_lines(tmp_path / "ranking" / "ranked.jsonl")
    assert len(lines) == 6 and max(line[KEYS[kind]] for line in lines) <= BUDGETS[kind]


def test_a_net_outside_a_search_needs_no_figure_of_the_table(
    kind: str, recipe: Recipe, steps: Any, tmp_path: Path
) -> None:
    """Step 1's operation is in every table, and ASTER's stages are in none."""
    run_proposal({**steps["path"], "stride_path": "ABABB"}, recipe, tmp_path / "path", lambda m, final: None)
    told = read_lines(tmp_path / "path" / "metrics.jsonl")[-1]
    assert told[KEYS[kind]] == told[f"expected_{KEYS[kind]}"] > 0
