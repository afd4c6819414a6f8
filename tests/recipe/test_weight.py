"""What can change a result: every key of the recipe, before report, resume, in-process search and digest."""

from __future__ import annotations

import json
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

from autostr_nni.inprocess.run import run_search
from autostr_nni.nni.experiment.stored import Stored
from autostr_nni.nni.resume import _recipe
from autostr_nni.recipe import Recipe, recipe_from
from autostr_nni.recipe.cost.section import lines_of
from autostr_nni.recipe.load import check_unchanged
from autostr_nni.recipe.weight import dotted, has_weight
from autostr_nni.report.analysis import analyse
from autostr_nni.report.reading.history import SearchHistory
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.strategies import build
from autostr_nni.system.errors import InputError
from tests.made_table import made_table

SET = "/w/train"  # the rendered one
BASE: dict[str, Any] = {
    "data": {
        "train": [SET],
        "validation": ["/w/validation"],
        "test": {"svt": "/w/svt"},
        "synth": {SET: {"count": 9, "source": "digits"}},
    },
    "search": {"path": {"paths": ["AABBB", "ABABB"]}},
}
# Said once more than in the product: what moves speed, memory and reports, and never a choice.
FREE = {
    "data.workers",
    "data.test.svt",
    "data.target",
    "training.device",
    "training.devices",
    "training.compile",
    "training.threads",
    "training.tensorboard",
    "training.checkpoint_minutes",
    "search.operators.threads",
    "search.operators.devices",
    "search.one_shot.threads",
    "evaluation.batch_size",
    "evaluation.learnt_above",
}
# A table of the paper's space, as a recipe keeps it.
TABLE = lines_of(made_table(SearchSpace()))
# Another value where one that is larger, or the opposite, will not do.
OTHER: dict[str, Any] = {
    "extensions": ["json"],
    "data.train": [SET, "/w/more"],
    "data.validation": ["/w/other"],
    "data.test.svt": "/w/svt2",
    "data.target": {"target": {"name": "scene"}},
    **{f"data.validation_of.{purpose}": ["/w/other"] for purpose in ("ranking", "alpha", "epochs")},
    "data.charset": "digits",
    f"data.synth.{SET}.split": "train",
    f"data.synth.{SET}.source": "words",
    f"data.synth.{SET}.lexicon": {"source": "words", "lexicon": "/w/list.txt"},
    f"data.synth.{SET}.digits": [1, 2],
    f"data.synth.{SET}.style": "mild",
    f"data.synth.{SET}.words": [1, 2],
    f"data.synth.{SET}.exclude": ["/w/list.txt"],
    f"data.synth.{SET}.fonts": ["/w/fonts"],
    f"data.synth.{SET}.backgrounds": ["/w/photos"],
    "model.image": [32, 104],
    "model.resize": "pad",
    "model.vertical": "rotate",
    "model.sequence": [1, 25],
    "model.strides": [[2, 2], [2, 1], [4, 1]],
    "model.stage_widths": [32, 64, 128, 256, 256],
    "model.stage_layers": [3, 3, 3, 3, 4],
    "model.rectifier.image": [64, 128],
    "model.rectifier.localization": [64, 64],
    "model.rectifier.points": 22,
    "model.rectifier.channels": [32, 64],
    "search.halving.rungs": [4, 12],
    "training.optimizer.name": "adam",
    "training.optimizer.betas": {"name": "adam", "betas": [0.5, 0.999]},  # of another optimizer
    **{
        f"{part}.init": {"init": {"file": "/w/net.ckpt", "sha256": 16 * "0"}}
        for part in ("training", "search")
    },
    "training.augment": "light",
    "training.schedule": "cosine",
    "training.ema": 0.9,
    "training.milestones": [3],
    "training.precision": "bf16-mixed",
    "training.device": "cpu",
    "model.translator.kind": "ctc",
    "search.proxy.translator": "ctc",
    "search.augment": "light",
    "search.cost.kind": {"kind": "parameters", "budget": 5.0},
    "search.cost.table": {"kind": "latency", "budget": 5.0, "table": TABLE},
    "search.cost.budget": 400.0,
    "search.path.paths": ["AABBB", "ABBAB"],
    "search.path.rungs": [1, 5],
    "search.path.default_operation": "k3e1",
    "search.operators.arch_optimizer.betas": [0.9, 0.999],
    "search.operators.optimizer.name": "adam",
    "search.operators.optimizer.betas": {"name": "adam", "betas": [0.5, 0.999]},
    "search.operators.operations": ["k3e1", "skip"],
    "search.random.paths": "typical",
    "evaluation.decoding": "beam",
    "evaluation.metric": "cer",
}


def recipe(**changed: Any) -> Recipe:
    """BASE with the values of dotted keys changed; a mapping changes its neighbours too."""
    content = deepcopy(BASE)
    for key, value in changed.items():
        *sections, name = parts(key)
        place = content
        for section in sections:
            place = place.setdefault(section, {})
        place.update(value if isinstance(value, dict) else {name: value})
    return recipe_from(content, Path("/"))


def parts(key: str) -> list[str]:
    before, found, after = key.partition(f".{SET}.")
    return [*before.split("."), SET, *after.split(".")] if found else key.split(".")


def values(made: Recipe) -> dict[str, Any]:
    return made.model_dump(mode="json")


KEYS = dotted(values(recipe()))


def another(key: str) -> Any:
    """A value that the key does not have in BASE."""
    value = KEYS[key]
    if key in OTHER:
        return OTHER[key]
    if isinstance(value, bool):
        return not value
    if value is None:
        return 3
    assert isinstance(value, int | float), f"give {key} another value in OTHER"
    return value + 1 if isinstance(value, int) else value / 2 or 0.5


def test_every_free_key_is_one_of_the_recipe() -> None:
    assert set(KEYS) > FREE and set(KEYS) >= set(OTHER)


@pytest.mark.parametrize("key", KEYS)
def test_one_rule_for_every_key(key: str, tmp_path: Path) -> None:
    plain, changed = recipe(), recipe(**{key: another(key)})
    assert values(plain) != values(changed)
    weighs = key not in FREE
    assert has_weight(key) == weighs
    assert (plain.digest() != changed.digest()) == weighs
    shown = key.replace(SET, "train")  # a rendered set goes by its folder's name
    assert flagged(plain, changed)[shown] == weighs
    free = not weighs or key == "search.random.count"  # which may grow
    assert refused_by_resume(plain, changed, tmp_path) == (not free)
    assert refused_in_process(plain, changed, tmp_path) == (not free)


def flagged(one: Recipe, other: Recipe) -> dict[str, bool]:
    """The rows of the report's table of settings, and whether each weighs; the box at the top agrees."""
    told = [
        SearchHistory(n, n, "", "", Path(), "", [], recipe=values(r)) for n, r in (("a", one), ("b", other))
    ]
    report = analyse(told)
    rows = {row["key"]: row["weight"] for row in report["settings"]["differences"]}
    note = [line for line in report["notes"] if "different settings" in line]
    assert bool(note) == any(rows.values())
    return rows


def refused_by_resume(one: Recipe, other: Recipe, folder: Path) -> bool:
    (folder / "recipe.json").write_text(json.dumps(values(one)))
    (folder / "recipe.yml").write_text(json.dumps(values(other)))
    arguments = {"recipe": str(folder / "recipe.yml")}
    tuner = {"className": "autostr_nni.nni.tuner.TwoStepTuner", "classArgs": arguments}
    stored = Stored(folder, {"tuner": tuner}, 0, {})
    return refused(lambda: _recipe(stored), "began")


def refused_in_process(one: Recipe, other: Recipe, folder: Path) -> bool:
    place = folder / "run"

    def trial(*_: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    def search(made: Recipe) -> None:
        with pytest.raises(KeyboardInterrupt):
            run_search(build("two-step", made), made, place, trial, log=lambda line: None)

    search(one)
    return refused(lambda: search(other), "holds a search by another recipe: ")


def refused(work: Any, words: str) -> bool:
    try:
        work()
    except InputError as error:
        assert words in str(error)
        return True
    return False


def test_the_sentence_names_key_and_values() -> None:
    told = values(recipe())
    with pytest.raises(InputError) as error:
        check_unchanged(recipe(**{"search.operators.beta": 0.0, "seed": 3}), told, "r.yml: ", "it", "stop")
    assert str(error.value) == (
        "r.yml: search.operators.beta is 0.0 and was 0.6 when it began (and 1 more); put it back, or stop"
    )
    with pytest.raises(InputError, match=r"data\.test2 is not set and was '/x' when"):
        check_unchanged(recipe(), {**told, "data": {**told["data"], "test2": "/x"}}, "", "it", "stop")


def test_what_an_older_version_kept_lacks_newer_keys() -> None:
    told = values(recipe())
    del told["search"]["operators"]["beta"], told["training"]
    check_unchanged(recipe(), told, "", "it", "stop")
    with pytest.raises(InputError, match=r"beta is 0\.1 and was 0\.6"):
        check_unchanged(recipe(**{"search.operators.beta": 0.1}), told, "", "it", "stop")
