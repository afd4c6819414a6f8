"""Every key of the recipe does in a trial what it says, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from autostr_nni.data.sets import prepare
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.base import Section
from autostr_nni.recipe.data import SynthSet
from autostr_nni.recipe.weight import has_weight
from autostr_nni.runs.layout import LAST
from tests.training.recipe_keys.keys import ELSEWHERE, FIRST, NOTHING, SECOND, Key
from tests.training.recipe_keys.watch import Seen, texts_of, watched, write_sets

# What a step has nothing to do with.
SCHEDULE = ("epochs", "epoch_images", "short_words", "milestones", "gamma", "patience")
NETS = ("search.random", "search.halving", "search.one_shot", "search.front")
FOREIGN = {
    "path": ("search.operators", *NETS, *(f"training.{name}" for name in SCHEDULE)),
    "operators": ("search.path", *NETS, "training.optimizer", "training.clip")
    + tuple(f"training.{name}" for name in SCHEDULE),
    "train": ("search.path", *NETS, "search.operators", "search.augment"),
    "supernet": ("search.path", *NETS[:2], "search.operators"),
}
# Of the space that all steps share, and what needs another key beside it.
KEPT = {
    "search.operators.operations",
    "search.operators.budget_m",
    "search.halving.rungs",
    "search.path.rungs",
}
STEPS = tuple(FOREIGN)
TABLES: dict[str, dict[str, Key]] = {
    "first": FIRST,
    "second": {**FIRST, **SECOND},
    "nothing": NOTHING,
    "base": {},
    **{
        f"not {step}": {n: k for n, k in FIRST.items() if n.startswith(names) and n not in KEPT}
        for step, names in FOREIGN.items()
    },
}

# What is rendered for a set with these values, and what then differs from them.
RENDERED = {
    "count": 5,
    "seed": 11,
    "split": "validation",
    "min_length": 2,
    "max_length": 4,
    "words": [2, 3],
    "style": "mild",
    "height": 33,
    "exclude": ["/x"],
    "fonts": ["/f"],
    "system_fonts": False,
    "backgrounds": ["/b"],
}
DIGITS = "0123456789 "  # lines need the blank
SOURCES = [({"lexicon": "/l"}, "/l"), ({"source": "digits", "digits": [2, 4]}, "digits:2-4"), ({}, "english")]


def leaves(section: type[Section], prefix: str = "") -> set[str]:
    """The dotted keys of a section and those below it."""
    found: set[str] = set()
    for name, field in section.model_fields.items():
        kind = field.annotation
        if isinstance(kind, type) and issubclass(kind, Section):
            found |= leaves(kind, f"{prefix}{name}.")
        else:
            found.add(prefix + name)
    return found


@pytest.fixture(scope="module")
def seen(tmp_path_factory, make_recipe) -> Callable[[str, str], Seen]:
    """`seen(table, step)`: the trial of a step under the recipe with all values of a table."""
    folder = write_sets(tmp_path_factory.mktemp("words"))
    ready: dict[tuple[str, str], Seen] = {}

    def get(table: str, step: str, steps: dict[str, dict[str, str]]) -> Seen:
        if (table, step) not in ready:
            changes = {name: key.value for name, key in TABLES[table].items()}
            for name in ("data.train", "data.validation", "data.test"):
                changes.setdefault(name, [name.removeprefix("data.")])
            changes["data.train"] = [str(folder / "train")]
            changes["data.validation"] = [str(folder / "validation")]
            changes["data.test"] = {"plain": str(folder / "test")}
            if table == "second":
                del changes["training.optimizer.rho"], changes["search.operators.optimizer.betas"]
            ready[table, step] = watched(make_recipe(changes), steps[step], folder / table / step)
        return ready[table, step]

    return get


def _marks(table: str, step: str) -> list[pytest.MarkDecorator]:
    return (
        [pytest.mark.slow("trains a supernet for one key")]
        if (table, step) == ("nothing", "supernet")
        else []
    )


CASES = [
    pytest.param(table, name, step, id=f"{name}-{step}-{table}", marks=_marks(table, step))
    for table, keys in (("first", FIRST), ("second", SECOND), ("nothing", NOTHING))
    for name, key in keys.items()
    for step in key.steps.split()
]


@pytest.mark.parametrize(("table", "name", "step"), CASES)
def test_a_key_does_what_it_says(seen, steps, table: str, name: str, step: str) -> None:
    key: Key = TABLES[table][name]
    assert key.fact(seen(table, step, steps)) == key.value


def test_every_key_is_in_a_table() -> None:
    known = {*FIRST, *SECOND, *NOTHING, *ELSEWHERE, "data.synth"}
    assert leaves(Recipe) == known
    assert SynthSet.model_fields.keys() == {*RENDERED, "lexicon", "source", "digits"}
    for name, test in ELSEWHERE.items():
        file, function = test.split("::")
        assert f"def {function}(" in (Path(__file__).parents[1] / file).read_text(encoding="utf-8"), name


def trained(seen: Seen) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    lines = [{**line, "seconds": 0} for line in seen.lines]
    return lines, torch.load(seen.folder / LAST, weights_only=True)["state_dict"]


def check_same(one: Seen, other: Seen) -> None:
    (lines, weights), (others, theirs) = trained(one), trained(other)
    for line, known in zip(lines, others, strict=True):
        assert line == pytest.approx(known, rel=1e-6)  # a validation loss is a sum over other batches
    assert weights.keys() == theirs.keys()
    assert all(torch.equal(weights[key], theirs[key]) for key in weights)


@pytest.mark.parametrize("step", STEPS)
def test_keys_without_weight_change_nothing(seen, steps, step: str) -> None:
    check_same(seen("nothing", step, steps), seen("base", step, steps))


@pytest.mark.parametrize("step", STEPS)
def test_keys_of_other_steps_change_nothing(seen, steps, step: str) -> None:
    check_same(seen(f"not {step}", step, steps), seen("base", step, steps))


def test_keys_without_weight_are_those_that_the_recipe_names() -> None:
    weighty = {"evaluation.metric", "extensions"}  # a user's own code may change anything
    weighty |= {name for name in ELSEWHERE if name.startswith(("data.validation_of.", "search.cost."))}
    weighty |= {name for name in ELSEWHERE if name.endswith(".sha256")}
    elsewhere = ELSEWHERE.keys() - weighty
    assert {key for key in leaves(Recipe) if not has_weight(key)} == {*NOTHING, *elsewhere}


def test_warming_up_draws_uniformly_and_then_by_the_probabilities(tmp_path, make_recipe, steps) -> None:
    changes = {"search.operators.arch_init": 1e3, "search.operators.arch_optimizer": {"lr": 1e-12}}
    changes |= {"training.batch_size": 1, "search.operators.epochs": 1}
    found = watched(make_recipe(changes), steps["operators"], tmp_path)
    surest = tuple(int(alpha.argmax()) for alpha in found.alphas)
    warm = [step.drawn for step in found.weights if step.epoch == 0]
    rest = [step.drawn for step in [*found.weights, *found.architecture] if step.epoch > 0]
    assert set(rest) == {surest}
    alike = [index == best for draw in warm for index, best in zip(draw, surest, strict=True)]
    assert len(alike) == 120 and 0.05 < sum(alike) / len(alike) < 0.35  # one of 6 or 7


def test_every_epoch_shows_the_parameters_other_words(seen, steps) -> None:
    """They come from one chain of orders of D_val: each comes once before any comes twice."""
    base = seen("base", "operators", steps)
    words = texts_of(base.task.arch_set)
    order = np.random.default_rng([1, 0]).permutation(len(words))
    shown = [text for step in base.architecture for text in step.texts]
    assert len(shown) == len(words) - len(words) % 8 == 2 * 8
    assert shown == [words[index] for index in order][: len(shown)]


def test_rendered_sets_are_as_they_are_described(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[tuple[Path, Any]] = []
    monkeypatch.setattr(prepare, "ensure", lambda folder, spec, processes: made.append((folder, spec)))
    monkeypatch.setattr(prepare, "check_sets", lambda recipe, log: None)
    synth = {f"set{place}": {**RENDERED, **source} for place, (source, _) in enumerate(SOURCES)}
    synth["plain"] = {"count": 2}
    data = {"train": ["a"], "validation": ["b"], "charset": DIGITS, "max_length": 6, "synth": synth}
    prepare.prepare_data(recipe_from({"seed": 40, "data": data}, tmp_path), lambda line: None)
    assert [folder for folder, _ in made] == [tmp_path / name for name in synth]
    for (_, spec), (_, source) in zip(made, SOURCES, strict=False):
        assert spec.to_dict() == {**RENDERED, "source": source, "charset": DIGITS}
    plain = made[-1][1]
    assert (plain.seed, plain.max_length, plain.charset, plain.source) == (40 + 3, 6, DIGITS, "english")
