"""What a search without NNI keeps in its folder, how it is found again, and the lock on the folder.

`state.json` is the strategy, rewritten whole after every trial; the one before it stays as
`state.previous.json`. `search.json` says which strategy it is, `recipe.json` is the recipe as it was
understood. What trials left in `trials/<id>/` is the truth: without any state a search is put together
from it.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from autostr_nni.recipe import Recipe, load_recipe, recipe_from
from autostr_nni.recipe.load import check_unchanged, completed, what_changed
from autostr_nni.recipe.weight import changes
from autostr_nni.recipe.words.targets import split
from autostr_nni.runs.layout import LOCK, RECIPE, RECORD, STATE, TRIALS
from autostr_nni.strategies import registry
from autostr_nni.strategies.core import plain, saved_trials
from autostr_nni.strategies.protocol import Strategy
from autostr_nni.system import files
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import write_atomic
from autostr_nni.system.json_text import read_json
from autostr_nni.system.locks import Taken, hold
from autostr_nni.system.text_files import is_file


def write_json(path: Path, content: Any) -> None:
    """Replace a file whole: a reader, or a restart after a power cut, sees the old content or the new."""
    write_atomic(path, _text(content))


def save_state(strategy: Strategy, recipe: Recipe, folder: Path) -> None:
    """Replace the state, and keep the one before. Raises NoSpace where the disk is full."""
    # The digest's paths start at the recipe's folder.
    source = os.path.relpath(recipe.source, folder) if recipe.source else None
    content = {"recipe": recipe.digest(), "source": source, "state": strategy.state_dict()}
    files.write_state(folder / STATE, _text(content), _checked)


def _text(content: Any) -> str:
    return json.dumps(plain(content), indent=1, ensure_ascii=False) + "\n"


def find_state(folder: Path) -> tuple[dict[str, Any] | None, str | None]:
    """What a search keeps, and a sentence where `state.json` itself cannot be read.

    The content is the digest of its `recipe`, that file (`source`) and the strategy's `state`; None where
    there is none, or none is left.
    """
    return files.find_state(
        folder / STATE,
        _checked,
        "going on from the state before it and the results of the trials",
        "going on from the results of the trials",
    )


def _checked(content: Any) -> dict[str, Any]:
    """The content of a state file; raises where it is none."""
    saved_trials(content["state"])
    return {"source": None, "recipe": content["recipe"], **content}


def recorded_recipe(folder: Path) -> dict[str, Any]:
    """The content of `recipe.json`. Raises InputError where it cannot be read."""
    try:
        content = json.loads((folder / RECIPE).read_text(encoding="utf-8"))
        return dict(content)
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{folder / RECIPE}: the recipe of the search cannot be read ({error})") from None


def recipe_to_go_on_by(folder: Path, state: Mapping[str, Any] | None, log: Callable[[str], object]) -> Recipe:
    """The recipe of a search: its file as it is now, where it says the same in all that can change a result.

    Else, and where the file is gone, it is the one that the folder keeps, and ``log`` is told why.
    Raises InputError where that cannot be read.
    """
    recorded = recorded_recipe(folder)
    named = state["source"] if state is not None else None
    source = (folder / named).resolve() if isinstance(named, str) else None
    if state is not None and source is not None and is_file(str(split(source)[0])):
        try:
            now, then = load_recipe(source), completed(recorded)
            found = [] if now.digest() == state["recipe"] else changes(now.model_dump(mode="json"), then)
            if not found:  # it may have been given more since, by an option
                return now.with_count(max(now.search.random.count, then["search"]["random"]["count"]))
            note = f"{source}: {what_changed(found, 'the search')}"
        except InputError as error:
            note = str(error)
        log(f"note: {note}; the search goes on by the recipe that its folder keeps")
    return recipe_from(recorded, folder, str(folder / RECIPE), source=source, run_extensions=True)


def check_recorded(recipe: Recipe, folder: Path, digest: str | None = None) -> None:
    """Raise InputError where `recipe.json` differs from `recipe` in what can change a result.

    An equal `digest` in the search's state says that nothing does, also after recipe and sets have moved.
    """
    if digest == recipe.digest():
        return
    where = f"{folder}: holds a search by another recipe: "
    check_unchanged(recipe, recorded_recipe(folder), where, "it", "give another folder")


def record_strategy(strategy: Strategy, folder: Path) -> None:
    """Keep which strategy searches in the folder (`registry.record`)."""
    write_json(folder / RECORD, registry.record(strategy))


def strategy_of(folder: Path, state: Mapping[str, Any] | None) -> tuple[str, str | None]:
    """What `strategies.find` takes for the strategy of a search, and the folder of its module.

    As the search recorded it, else as its ``state`` tells, else (of version 0.1, without a state) its trials.
    """
    kept = read_json(folder / RECORD)
    if isinstance(kept.get("strategy"), str):
        code = kept.get("code")
        return kept["strategy"], code if isinstance(code, str) else None
    if state is not None:
        return str(state.get("strategy")), None
    return registry.told_by_trials(path.name for path in sorted((folder / TRIALS).glob("*"))), None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Make the folder and hold it for this process; the lock goes with the process, however that ends."""
    with ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold(folder / LOCK))
        except OSError as error:
            raise InputError(f"{folder}: cannot be used: {error.strerror}") from None
        except Taken:
            raise InputError(
                f"{folder}: another search or training is running in it; wait, or give another folder"
            ) from None
        yield
