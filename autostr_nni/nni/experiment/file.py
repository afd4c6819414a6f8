"""Reading and checking an NNI experiment file (nnictl's version 2 format, camelCase keys)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.nni.experiment.algorithms import (
    checked_assessor,
    checked_tuner,
    goes_on,
    is_of_nni,
)
from autostr_nni.nni.experiment.gpus import check_gpu_keys
from autostr_nni.nni.experiment.places import named_folder, resolved, with_code, with_places
from autostr_nni.nni.experiment.trial_command import check_same_recipe, recipe_of_trials, with_target
from autostr_nni.nni.experiment.tuners import GENERIC, code_of, strategy_of
from autostr_nni.nni.experiment.values import (
    OF_SERVICES,
    check_space,
    check_values,
    checked_service,
    spelled,
)
from autostr_nni.recipe.words.targets import MARK, split
from autostr_nni.recipe.yaml_file import read_yaml
from autostr_nni.system.errors import InputError

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe
    from autostr_nni.strategies.core import Book
    from autostr_nni.strategies.protocol import Strategy

KEYS = (
    "experimentName",
    "experimentType",
    "searchSpace",
    "searchSpaceFile",
    "trialCommand",
    "trialCodeDirectory",
    "trialConcurrency",
    "trialGpuNumber",
    "maxExperimentDuration",
    "maxTrialNumber",
    "maxTrialDuration",
    "nniManagerIp",
    "debug",
    "logLevel",
    "experimentWorkingDirectory",
    "tunerGpuIndices",
    "tuner",
    "assessor",
    "trainingService",
    "sharedStorage",
)


@dataclass(frozen=True)
class ExperimentFile:
    """A checked experiment: ``config`` has NNI's spelling of keys and absolute paths only."""

    path: Path
    config: dict[str, Any]
    recipe: Recipe | None  # None with a tuner class of the user's own
    strategy_name: str | None  # as `strategies.find` takes it
    target: str | None = None  # the one of the recipe's that is searched for here

    @property
    def name(self) -> str:
        return str(self.config.get("experimentName") or self.path.stem)

    @property
    def folder_name(self) -> str:
        """The name as that of a folder of its own; all targets have one."""
        name = self.name.removesuffix(f" {self.target}")
        return re.sub(r"[\s/\\]", "-", name).strip(".") or "search"

    @property
    def concurrency(self) -> int:
        return int(self.config["trialConcurrency"])

    @property
    def here(self) -> bool:
        """Whether trials run on this machine, and need the recipe's data here."""
        service = self.config["trainingService"]
        return isinstance(service, Mapping) and service.get("platform") == "local"

    @property
    def remote(self) -> bool:
        """Whether trials run on machines over SSH."""
        return "remote" in _platforms(self.config["trainingService"])

    @property
    def directory(self) -> Path:
        """Where NNI keeps its experiments."""
        return Path(self.config["experimentWorkingDirectory"])

    @property
    def kind(self) -> type[Book] | None:
        """The strategy's class, which is not built for it; None where it or the recipe is not ours."""
        from autostr_nni.strategies import find

        if not self.strategy_name or not self.recipe:
            return None
        return find(self.strategy_name, code_of(self.config["tuner"]))

    def strategy(self) -> Strategy | None:
        """A fresh strategy over the recipe; a resumed search that grows may have been given more."""
        from autostr_nni.strategies import build

        if not self.strategy_name or not self.recipe:
            return None
        tuner = self.config["tuner"]
        count = (tuner.get("classArgs") or {}).get("count")
        return build(self.strategy_name, self.recipe, code_of(tuner), count)


def load_experiment(path: Path, out: Path | None = None, target: str | None = None) -> ExperimentFile:
    """Read and check ``path``; experiments are kept in ``out`` where it is given.

    With a ``target`` tuner and trials are told that they search for it.

    Raises SeveralTargets where the recipe has some and none is named, and InputError, one sentence, for what
    is wrong with the file or its recipe.
    """
    content = _read(path)
    if "data" in content and "tuner" not in content:
        raise InputError(f"{path}: is a recipe; name the experiment file, whose tuner names the recipe")
    config = spelled(content, KEYS, str(path))
    folder = path.resolve().parent
    for key in ("trialCommand", "trialConcurrency", "tuner", "trainingService"):
        if config.get(key) is None:
            raise InputError(f"{path}: the key {key} is missing")
    check_values(config, path)
    config["trainingService"] = with_places(checked_service(config["trainingService"], path), folder, path)
    check_gpu_keys(config, path)
    if config.get("sharedStorage") is not None and _platforms(config["trainingService"]) <= set(OF_SERVICES):
        raise InputError(f"{path}: sharedStorage has no use on the platforms local and remote; leave it out")
    config["trialCodeDirectory"] = named_folder(
        folder, config.get("trialCodeDirectory", "."), path, "trialCodeDirectory"
    )
    workplace = config.get("experimentWorkingDirectory") or "~/nni-experiments"
    config["experimentWorkingDirectory"] = (
        str(out.expanduser().resolve())
        if out is not None
        else str(resolved(folder, workplace, path, "experimentWorkingDirectory"))
    )
    if config.get("assessor") is not None:
        config["assessor"] = checked_assessor(with_code(config["assessor"], folder, path, "assessor"), path)
    tuner = checked_tuner(with_code(config["tuner"], folder, path, "tuner"), path)
    if target is not None:
        config["experimentName"] = f"{config.get('experimentName') or path.stem} {target}"
        config["trialCommand"] = with_target(config["trialCommand"], target)
        if isinstance(tuner["classArgs"].get("recipe"), str):
            tuner["classArgs"]["recipe"] += f"{MARK}{target}"
    recipe, strategy_name = _recipe(tuner, config, path)
    if target is not None and (recipe is None or recipe.data.target is None):
        raise InputError(
            f"{path}: --target {target}: no recipe that has this target is known here; leave --target out, "
            f"and name the recipe of one target in the file, as recipe.yml{MARK}{target}"
        )
    experiment = ExperimentFile(path, {**config, "tuner": tuner}, recipe, strategy_name, target)
    _complete_search(experiment, folder)
    return experiment


def _read(path: Path) -> Mapping[str, Any]:
    if not os.path.lexists(path):
        raise InputError(f"there is no experiment file {path}")
    content, _ = read_yaml(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is no experiment file: it must hold keys such as trialCommand and tuner")
    return content


def _platforms(service: Any) -> set[str]:
    return {str(item.get("platform")) for item in (service if isinstance(service, list) else [service])}


def _recipe(tuner: dict[str, Any], config: Mapping[str, Any], path: Path) -> tuple[Recipe | None, str | None]:
    """The recipe, and the strategy's name. With another's tuner it is the recipe that our trials read."""
    from autostr_nni.recipe import load_recipe
    from autostr_nni.strategies import find

    strategy_name, generic = strategy_of(tuner), tuner.get("className") == GENERIC
    if strategy_name is None and not generic:
        read = recipe_of_trials(config["trialCommand"], config["trialCodeDirectory"])
        return (load_recipe(read) if read is not None else None), None
    arguments = tuner["classArgs"]
    wanted = {"recipe": "the recipe of the search"}
    if generic:
        wanted["strategy"] = "its strategy's name, or module:Class of a module in tuner.codeDirectory"
    if set(arguments) != set(wanted) or not all(isinstance(value, str) for value in arguments.values()):
        form = ", ".join(f"{key}: {'FILE' if key == 'recipe' else 'NAME'}" for key in wanted)
        raise InputError(f"{path}: tuner.classArgs must be {{{form}}}, {', and '.join(wanted.values())}")
    recipe_path = resolved(Path(tuner["codeDirectory"]), arguments["recipe"], path, "tuner.classArgs.recipe")
    if not split(recipe_path)[0].is_file():
        raise InputError(f"{path}: tuner.classArgs.recipe names {recipe_path}, which does not exist")
    arguments["recipe"] = str(recipe_path)
    recipe = load_recipe(recipe_path)
    assert strategy_name is not None
    try:
        find(strategy_name, code_of(tuner))
    except InputError as error:
        raise InputError(f"{path}: tuner.classArgs.strategy: {error}") from None
    check_same_recipe(config["trialCommand"], config["trialCodeDirectory"], recipe, path)
    return recipe, strategy_name


def _complete_search(experiment: ExperimentFile, folder: Path) -> None:
    """Declare the recipe's choices where the file gives none; refuse a limit that cuts the search short."""
    from autostr_nni.nni.experiment.choices import check_drawable, search_space_of

    config, strategy = experiment.config, experiment.strategy()
    given = config.get("searchSpace")
    if config.get("searchSpaceFile") is not None:
        file = resolved(folder, config["searchSpaceFile"], experiment.path, "searchSpaceFile")
        if not file.is_file():
            raise InputError(f"{experiment.path}: searchSpaceFile names {file}, which does not exist")
        config["searchSpaceFile"] = str(file)
        given = read_yaml(file)[0]
        check_space(given, str(file))
    elif given is None:
        if experiment.recipe is None:
            raise InputError(f"{experiment.path}: the key searchSpace is missing")
        config["searchSpace"] = search_space_of(experiment.recipe, strategy)
    if given is not None and experiment.recipe is not None and is_of_nni(config["tuner"]):
        try:
            check_drawable(given, experiment.recipe)
        except InputError as error:
            raise InputError(f"{experiment.path}: searchSpace: {error}") from None
    limit = config.get("maxTrialNumber")
    if limit is None and config.get("maxExperimentDuration") is None and goes_on(config["tuner"]):
        raise InputError(
            f"{experiment.path}: maxTrialNumber is missing: NNI's own tuners go on without an end; give it "
            "or maxExperimentDuration"
        )
    if strategy is not None and limit is not None and limit < strategy.planned:
        raise InputError(
            f"{experiment.path}: maxTrialNumber is {limit}, but this search has {strategy.planned} trials; "
            "raise it (failed trials are repeated once) or leave it out"
        )
