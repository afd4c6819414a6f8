"""The tuner and the assessor of an experiment file: ours, NNI's own by name, and classes of the user's."""

from __future__ import annotations

import importlib
import importlib.util
import os
import re
import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from autostr_nni.nni.experiment.tuners import KNOWN, OURS
from autostr_nni.nni.experiment.values import spelled
from autostr_nni.system.errors import InputError, shown

KEYS = ("name", "className", "codeDirectory", "classArgs")

#: NNI's built-in tuners that draw whole architectures from flat choices.
DRAWING = ("TPE", "Random", "Evolution", "GridSearch")
_NUMBERS = "it draws numbers only, and an architecture is choices of names"
_BUDGETS = "it gives trials budgets of its own, and a trial here trains as long as the recipe says"
_NESTED = "it searches nested spaces of NNI's NAS, not the flat choices of an experiment file"
#: The others, by lower-case name or alias, and why they are refused.
REFUSED = {
    **dict.fromkeys(("metis", "metistuner", "gp", "gptuner", "dngo", "dngotuner"), _NUMBERS),
    **dict.fromkeys(("hyperband", "bohb"), _BUDGETS),
    **dict.fromkeys(("ppo", "ppotuner", "networkmorphism", "regularizedevolutiontuner"), _NESTED),
    **dict.fromkeys(("batch", "batchtuner"), "it wants whole sets of parameters under one key"),
    **dict.fromkeys(("pbt", "pbttuner"), "it passes checkpoints from trial to trial in a way of its own"),
    **dict.fromkeys(("anneal", "tpe_legacy"), "it needs hyperopt, which does not come with NNI 3.0"),
    "smac": "it needs smac, which does not come with NNI 3.0",
}
_INSTEAD = {"anneal": "name: TPE", "tpe_legacy": "name: TPE", "smac": "name: TPE"}
_INSTEAD |= {"regularizedevolutiontuner": "name: Evolution", "batch": "name: GridSearch"}


def checked_tuner(given: Any, path: Path) -> dict[str, Any]:
    """The tuner's configuration. Raises InputError for one that cannot search here, with what can."""
    tuner = spelled(given, KEYS, f"{path}: tuner")
    if tuner.get("className") is None and tuner.get("name") is not None:
        _refuse(tuner["name"], "name", tuner["name"], path)
        return _built_in(tuner, "tuner", path, (*DRAWING,), f"or set tuner.className to {KNOWN}")
    name = tuner.get("className")
    if isinstance(name, str) and name.startswith("nni."):
        from nni.tools.package_utils import config_manager

        built_in = [meta.name for meta in config_manager._load_builtin_config() if meta.class_name == name]
        for other in built_in:
            _refuse(other, "className", name, path)
    return _by_class(tuner, "tuner", path, KNOWN)


def _refuse(name: Any, key: str, given: Any, path: Path) -> None:
    plain = name.lower() if isinstance(name, str) else ""
    if plain in REFUSED:
        instead = _INSTEAD.get(plain) or f"className: {KNOWN}"
        raise InputError(
            f"{path}: tuner.{key} {shown(given)} cannot search here: {REFUSED[plain]}; use {instead}"
        )


def is_of_nni(tuner: Mapping[str, Any]) -> bool:
    """Whether this is a checked tuner of NNI's, which draws each parameter by itself."""
    return "name" in tuner or str(tuner["className"]).startswith("nni.")


def goes_on(tuner: Mapping[str, Any]) -> bool:
    """Whether this is a tuner of NNI's that draws without an end."""
    return is_of_nni(tuner) and "GridSearch" not in str(tuner.get("name") or tuner["className"])


def checked_assessor(given: Any, path: Path) -> dict[str, Any]:
    """The assessor's configuration. Raises InputError where there is none, or it takes other arguments."""
    assessor = spelled(given, KEYS, f"{path}: assessor")
    if assessor.get("className") is None:
        return _built_in(
            assessor, "assessor", path, ("Medianstop", "Curvefitting"), "or set assessor.className"
        )
    return _by_class(assessor, "assessor", path, "name: Medianstop")


def _built_in(
    config: dict[str, Any], kind: str, path: Path, names: tuple[str, ...], other: str
) -> dict[str, Any]:
    """An algorithm that NNI knows by its name, with arguments that it takes."""
    from nni.tools.package_utils import config_manager  # a second and more

    from autostr_nni.nni.manager.places import ready_settings

    os.environ["NNI_CONFIG_DIR"] = str(ready_settings().absolute())
    name = config.get("name")
    registered = [meta.name for meta in config_manager._load_custom_config() if meta.algo_type == kind]
    known = {word.lower(): word for word in (*names, *registered)}
    if not isinstance(name, str) or name.lower() not in known:
        near = get_close_matches(str(name).lower(), known, n=1)
        hint = f"; the nearest is {known[near[0]]}" if near else ""
        listed = ", ".join(known.values())
        raise InputError(f"{path}: {kind}.name {shown(name)} is none of {listed}{hint}; use one, {other}")
    if config.get("codeDirectory") is not None:
        raise InputError(f"{path}: {kind}.codeDirectory goes with a className; leave it out beside a name")
    meta = config_manager.get_algo_meta(name)
    arguments = _arguments(config, kind, path)
    _check_arguments(meta.class_name, getattr(meta, "validator_class_name", None), arguments, kind, path)
    return {"name": known[name.lower()], "classArgs": arguments}


def _by_class(config: dict[str, Any], kind: str, path: Path, instead: str) -> dict[str, Any]:
    """An algorithm by its class, which can be found. Its ``codeDirectory`` is absolute already."""
    if config.get("name") is not None:
        raise InputError(f"{path}: {kind} has both a name and a className; leave one of them out")
    name, folder = config.get("className"), config.get("codeDirectory", "")
    if name is None:
        raise InputError(f"{path}: {kind}.className is missing; use {instead}")
    ours = isinstance(name, str) and name.startswith("autostr_nni.")
    if not isinstance(name, str) or (ours and name not in OURS) or not _importable(name, folder):
        raise InputError(f"{path}: {kind}.className {shown(name)} does not exist; use {instead}")
    arguments = _arguments(config, kind, path)
    if name.startswith("nni."):
        _check_arguments(name, None, arguments, kind, path)
    return {"className": name, "codeDirectory": folder, "classArgs": arguments}


def _arguments(config: Mapping[str, Any], kind: str, path: Path) -> dict[str, Any]:
    given = config.get("classArgs")
    if not isinstance(given or {}, Mapping) or not all(isinstance(key, str) for key in given or {}):
        form = "{recipe: FILE}" if kind == "tuner" else "{optimize_mode: maximize}"
        raise InputError(f"{path}: {kind}.classArgs must be like {form}, not {shown(given)}")
    return dict(given or {})


def _check_arguments(
    name: str, validator: str | None, arguments: dict[str, Any], kind: str, path: Path
) -> None:
    """Refuse arguments that one of NNI's own classes would break down over once the search has begun."""
    import inspect

    mode = arguments.get("optimize_mode", "maximize")
    if mode not in (
        "maximize",
        "minimize",
    ):  # some of NNI's checks miss it, and the class asserts without words
        raise InputError(
            f"{path}: {kind}.classArgs.optimize_mode must be maximize or minimize, not {shown(mode)}"
        )
    try:
        made = _class(name)
        bound = inspect.signature(made).bind(**arguments)
        bound.apply_defaults()  # the checker misses what the class does not
        if validator:
            given = {key: value for key, value in bound.arguments.items() if value is not None}
            _class(validator)().validate_class_args(**given)
    except (ImportError, AttributeError) as error:
        raise InputError(f"{path}: {kind} {name} cannot be loaded ({error})") from None
    except Exception as error:  # of the library that NNI checks with
        told = re.sub(r"\s+", " ", str(error)) or type(error).__name__
        raise InputError(
            f"{path}: {kind}.classArgs are not those of {name.rpartition('.')[2]}: {told}"
        ) from None


def _class(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def _importable(class_name: str, code_directory: str) -> bool:
    module = class_name.rpartition(".")[0].split(".")[0]
    if not module.isidentifier():
        return False
    if (Path(code_directory) / module).is_dir() or (Path(code_directory) / f"{module}.py").is_file():
        return True
    try:
        return module in sys.modules or importlib.util.find_spec(module) is not None
    except (ImportError, ValueError, OSError):
        return False
