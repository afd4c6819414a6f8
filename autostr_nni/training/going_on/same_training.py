"""Whether a training outside a search may go on in a folder: by the recipe and for the net that began it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autostr_nni.reading.checkpoint import load_trained
from autostr_nni.recipe import Recipe
from autostr_nni.recipe.load import check_unchanged, completed
from autostr_nni.recipe.training import MILESTONES
from autostr_nni.runs.layout import ARCHITECTURE, BEST, LAST, METRICS, RECIPE
from autostr_nni.search_spaces.architecture import Architecture
from autostr_nni.search_spaces.space import SearchSpace
from autostr_nni.system.errors import InputError
from autostr_nni.system.files import previous_of
from autostr_nni.system.json_text import read_json


def check_same_training(architecture: Architecture, space: SearchSpace, recipe: Recipe, folder: Path) -> None:
    """Raise InputError where ``folder`` holds a training by another recipe or of another architecture.

    What can change a result counts, as in `autostr resume`; but for the number of epochs, which may grow
    where no rate is planned for all of them, and the search's own settings, by which no net is
    trained. Nothing is refused before there is something to go on from.
    """
    if not begun(folder):
        return
    told = dict(completed(_recipe_of(folder)))
    now = recipe.model_dump(mode="json")
    training = told.get("training")
    if isinstance(training, Mapping) and recipe.training.schedule == MILESTONES:
        told["training"] = {**training, "epochs": now["training"]["epochs"]}
    told["search"] = now["search"]
    where = f"{folder}: holds a training by another recipe: "
    check_unchanged(recipe, told, where, "it", "give another folder")
    known = folder / ARCHITECTURE
    if known.exists() and _plain(known.read_text(encoding="utf-8")) != _plain(architecture.to_json(space)):
        raise InputError(f"{folder}: holds the training of another architecture; give another folder")


def begun(folder: Path) -> bool:
    """Whether a training has left something in a folder to go on from."""
    left = [folder / LAST, previous_of(folder / LAST), folder / BEST, folder / METRICS]
    return any(path.exists() for path in left)


def _recipe_of(folder: Path) -> Mapping[str, Any]:
    """The recipe that a training was told: its own record, else that of its best net."""
    content = read_json(folder / RECIPE)
    if content:
        return content
    if (folder / BEST).is_file():
        return load_trained(folder / BEST).recipe.model_dump(mode="json")
    raise InputError(
        f"{folder}: holds a training without its recipe ({RECIPE}), such as a search's trial; give another "
        "folder"
    )


def _plain(text: str) -> Any:
    """An architecture's file without the operations that it was chosen from."""
    try:
        content = json.loads(text)
        content["space"].pop("operations", None)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return text
    return content
