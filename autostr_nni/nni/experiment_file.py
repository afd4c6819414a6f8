"""Reading and checking an NNI experiment file (nnictl's version 2 format, camelCase keys)."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autostr_nni.recipe.yaml_file import read_yaml
from autostr_nni.search_spaces.errors import InputError, shown

if TYPE_CHECKING:
    from autostr_nni.recipe import Recipe
    from autostr_nni.strategies.core import Strategy

TUNERS = {"autostr_nni.nni.tuner.TwoStepTuner": "two-step", "autostr_nni.nni.tuner.RandomTuner": "random"}

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
TEXTS = (
    "experimentName",
    "experimentType",
    "searchSpaceFile",
    "trialCommand",
    "trialCodeDirectory",
    "experimentWorkingDirectory",
)
TUNER_KEYS = ("className", "codeDirectory", "classArgs")


@dataclass(frozen=True)
class ExperimentFile:
    """A checked experiment: ``config`` has NNI's spelling of keys and absolute paths only."""

    path: Path
    config: dict[str, Any]
    recipe: Recipe | None  # None with a tuner class of the user's own
    strategy_name: str | None

    @property
    def name(self) -> str:
        return str(self.config.get("experimentName") or self.path.stem)

    @property
    def folder_name(self) -> str:
        """The name as that of a folder of its own."""
        return re.sub(r"[\s/\\]", "-", self.name).strip(".") or "search"

    @property
    def concurrency(self) -> int:
        return int(self.config["trialConcurrency"])

    @property
    def here(self) -> bool:
        """Whether trials run on this machine, and need the recipe's data here."""
        service = self.config["trainingService"]
        return isinstance(service, Mapping) and service.get("platform") == "local"

    @property
    def directory(self) -> Path:
        """Where NNI keeps its experiments."""
        return Path(self.config["experimentWorkingDirectory"])

    def strategy(self) -> Strategy | None:
        """A fresh strategy over the recipe."""
        from autostr_nni.strategies import build

        return build(self.strategy_name, self.recipe) if self.strategy_name and self.recipe else None


def load_experiment(path: Path) -> ExperimentFile:
    """Read and check ``path``. Raises InputError, one sentence, for what is wrong with it or its recipe."""
    content = _read(path)
    if "data" in content and "tuner" not in content:
        raise InputError(f"{path}: is a recipe; name the experiment file, whose tuner names the recipe")
    config = _spelled(content, KEYS, str(path))
    folder = path.resolve().parent
    for key in ("trialCommand", "trialConcurrency", "tuner", "trainingService"):
        if config.get(key) is None:
            raise InputError(f"{path}: the key {key} is missing")
    if not isinstance(config["trialCommand"], str):
        raise InputError(
            f"{path}: trialCommand must be a text, such as python -m autostr_nni.trial --recipe FILE"
        )
    _check_values(config, path)
    _check_service(config["trainingService"], path)
    config["trainingService"] = _with_key_files(config["trainingService"], folder)
    config["trialCodeDirectory"] = _folder(
        folder, config.get("trialCodeDirectory", "."), path, "trialCodeDirectory"
    )
    workplace = config.get("experimentWorkingDirectory") or "~/nni-experiments"
    config["experimentWorkingDirectory"] = str(
        _resolved(folder, workplace, path, "experimentWorkingDirectory")
    )
    tuner, recipe, strategy_name = _tuner(config["tuner"], folder, path)
    experiment = ExperimentFile(path, {**config, "tuner": tuner}, recipe, strategy_name)
    _complete_search(experiment, folder)
    return experiment


def _read(path: Path) -> Mapping[str, Any]:
    if not os.path.lexists(path):
        raise InputError(f"there is no experiment file {path}")
    content, _ = read_yaml(path)
    if not isinstance(content, Mapping):
        raise InputError(f"{path} is no experiment file: it must hold keys such as trialCommand and tuner")
    return content


def _spelled(given: Any, keys: tuple[str, ...], place: str) -> dict[str, Any]:
    """``given`` under the right spelling of its keys; NNI ignores case and underscores, so do we."""
    if not isinstance(given, Mapping):
        raise InputError(f"{place} must hold keys such as {keys[0]}, not {shown(given)}")
    plain = {_plain(key): key for key in keys}
    result = {}
    for key, value in given.items():
        if _plain(key) not in plain:
            key = shown(key)[1:-1] if isinstance(key, str) else shown(key)
            near = get_close_matches(key, keys, n=1, cutoff=0.0)
            raise InputError(f"{place}: there is no key {key}; the nearest is {near[0]}")
        result[plain[_plain(key)]] = value
    return result


def _plain(key: Any) -> str:
    return str(key).lower().replace("_", "")


def _folder(base: Path, value: Any, path: Path, key: str) -> str:
    folder = _resolved(base, value, path, key)
    if not folder.is_dir():
        raise InputError(f"{path}: {key} names the folder {folder}, which does not exist")
    return str(folder)


def _resolved(base: Path, value: Any, path: Path, key: str) -> Path:
    """A path of the file, which starts at `base` where it is relative."""
    if not isinstance(value, str) or "\0" in value or len(value) > 3_000:
        raise InputError(f"{path}: {key} must be a path, not {shown(value)}")
    try:
        resolved = (base / Path(value).expanduser()).resolve()
        resolved.exists()
    except (OSError, RuntimeError):  # a name too long; nobody of the name after ~; links in a circle
        raise InputError(f"{path}: {key} must be a path, not {shown(value)}") from None
    return resolved


def _check_values(config: Mapping[str, Any], path: Path) -> None:
    """Refuse values of a type that NNI would stumble over late, or never."""
    for key in ("trialConcurrency", "maxTrialNumber"):
        value = config.get(key)
        if value is not None and (type(value) is not int or not 1 <= value < 2**31):
            raise InputError(f"{path}: {key} must be a whole number of at least 1, not {shown(value)}")
    for key in TEXTS:
        value = config.get(key)
        if value is None:
            continue
        if not isinstance(value, str) or not value.isprintable() or len(value) > 3_000:
            raise InputError(f"{path}: {key} must be a text of one line, not {shown(value)}")
    if len(config.get("experimentName") or "") > 200:
        raise InputError(f"{path}: experimentName has over 200 characters; shorten it")
    if not isinstance(config.get("searchSpace") or {}, Mapping):
        raise InputError(f"{path}: searchSpace must hold parameters, not {shown(config['searchSpace'])}")


def _check_service(service: Any, path: Path) -> None:
    for item in service if isinstance(service, list) else [service]:
        if not isinstance(item, Mapping) or "platform" not in item:
            raise InputError(f"{path}: trainingService must be like {{platform: local}}")
        platform = item["platform"]
        if platform in ("local", "remote") and item.get("reuseMode", item.get("reuse_mode")):
            raise InputError(
                f"{path}: trainingService.reuseMode is not usable on platform {platform}; leave it out"
            )


def _with_key_files(given: Any, folder: Path) -> Any:
    """The training service with the machines' SSH keys as absolute paths; relative ones start at `folder`."""
    if isinstance(given, list):
        return [_with_key_files(item, folder) for item in given]
    if not isinstance(given, Mapping):
        return given
    result = {}
    for key, value in given.items():
        if _plain(key) == "machinelist":
            value = _with_key_files(value, folder)
        elif _plain(key) == "sshkeyfile" and value is not None:
            value = str((folder / Path(str(value)).expanduser()).resolve())
        result[key] = value
    return result


def _tuner(given: Any, folder: Path, path: Path) -> tuple[dict[str, Any], Recipe | None, str | None]:
    """The tuner's configuration with absolute paths, the recipe and the strategy's name."""
    known = " or ".join(TUNERS)
    if isinstance(given, Mapping) and "name" in given and "className" not in given:
        raise InputError(
            f"{path}: tuner.name {shown(given['name'])} is no search of ours; set tuner.className to {known}"
        )
    tuner = _spelled(given, TUNER_KEYS, f"{path}: tuner")
    name = tuner.get("className")
    tuner["codeDirectory"] = _folder(folder, tuner.get("codeDirectory", "."), path, "tuner.codeDirectory")
    if not isinstance(tuner.get("classArgs") or {}, Mapping):
        raise InputError(f"{path}: tuner.classArgs must be {{recipe: FILE}}, not {shown(tuner['classArgs'])}")
    arguments = dict(tuner.get("classArgs") or {})
    tuner["classArgs"] = arguments
    if not isinstance(name, str) or name not in TUNERS:
        if (
            not isinstance(name, str)
            or name.startswith("autostr_nni.")
            or not _importable(name, tuner["codeDirectory"])
        ):
            raise InputError(f"{path}: tuner.className {shown(name)} does not exist; use {known}")
        return tuner, None, None
    from autostr_nni.recipe import load_recipe

    if set(arguments) != {"recipe"} or not isinstance(arguments["recipe"], str):
        raise InputError(f"{path}: tuner.classArgs must be {{recipe: FILE}}, the recipe of the search")
    recipe_path = _resolved(Path(tuner["codeDirectory"]), arguments["recipe"], path, "tuner.classArgs.recipe")
    if not recipe_path.is_file():
        raise InputError(f"{path}: tuner.classArgs.recipe names {recipe_path}, which does not exist")
    arguments["recipe"] = str(recipe_path)
    return tuner, load_recipe(recipe_path), TUNERS[name]


def _importable(class_name: str, code_directory: str) -> bool:
    module = class_name.rpartition(".")[0].split(".")[0]
    if not module:
        return False
    if not module.isidentifier():
        return False
    if (Path(code_directory) / module).is_dir() or (Path(code_directory) / f"{module}.py").is_file():
        return True
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, OSError):
        return False


def _complete_search(experiment: ExperimentFile, folder: Path) -> None:
    """Declare the recipe's choices where the file gives none; refuse a limit that cuts the search short."""
    from autostr_nni.nni.choices import search_space_of

    config, strategy = experiment.config, experiment.strategy()
    if config.get("searchSpaceFile") is not None:
        file = _resolved(folder, config["searchSpaceFile"], experiment.path, "searchSpaceFile")
        if not file.is_file():
            raise InputError(f"{experiment.path}: searchSpaceFile names {file}, which does not exist")
        config["searchSpaceFile"] = str(file)
    elif config.get("searchSpace") is None:
        if strategy is None or experiment.recipe is None:
            raise InputError(f"{experiment.path}: the key searchSpace is missing")
        config["searchSpace"] = search_space_of(strategy, experiment.recipe)
    limit = config.get("maxTrialNumber")
    if strategy is not None and limit is not None and limit < strategy.planned:
        raise InputError(
            f"{experiment.path}: maxTrialNumber is {limit}, but this search has {strategy.planned} trials; "
            "raise it (failed trials are repeated once) or leave it out"
        )
